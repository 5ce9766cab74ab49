import { expect, it } from 'vitest';
import { createGroupCommit } from '../../src/core/group-commit.ts';

it('writes what comes together in one go, and what comes meanwhile in the next', async () => {
  const groups: number[][] = [];
  const commit = createGroupCommit<number>(async (items) => {
    groups.push(items);
    await new Promise((resolve) => setTimeout(resolve, 5));
  });
  const first = [commit.add(1), commit.add(2)];
  await new Promise((resolve) => setTimeout(resolve, 2));
  await Promise.all([...first, commit.add(3), commit.add(4)]);
  await commit.add(5);
  expect(groups).toEqual([[1, 2], [3, 4], [5]]);
});

it('lets a bad item fail alone', async () => {
  const written: number[] = [];
  const commit = createGroupCommit<number>(async (items) => {
    if (items.includes(2)) throw new Error('two is bad');
    written.push(...items);
  });
  const results = await Promise.allSettled([1, 2, 3].map((item) => commit.add(item)));
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(written).toEqual([1, 3]);
});
