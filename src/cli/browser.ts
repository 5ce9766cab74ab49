import { readConfig } from '../config.ts';
import { reasonOf } from '../model/errors.ts';
import { ensureBrowser, machineInstallDeps } from '../whatsapp/chromium/install.ts';

/** The step in front of demo, start and test: there is a browser afterwards, or a sentence says what to do. Silent when one is there. */
try {
  const { chromiumPath } = readConfig();
  await ensureBrowser(machineInstallDeps({ chromiumPath, say: (line) => process.stderr.write(`${line}\n`) }));
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exitCode = 1;
}
