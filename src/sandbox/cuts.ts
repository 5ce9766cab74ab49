/** Says which connections are cut on purpose; shared by the phone side and the page side. */
export interface Cuts {
  cut(phone: string, ms: number): void;
  isCut(phone: string): boolean;
}

/** Makes the list of cut connections. */
export function createCuts(now: () => number): Cuts {
  const until = new Map<string, number>();
  return {
    cut: (phone, ms) => void until.set(phone, now() + ms),
    isCut: (phone) => (until.get(phone) ?? 0) > now(),
  };
}
