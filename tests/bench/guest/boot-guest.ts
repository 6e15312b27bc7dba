/**
 * `npm run bench -- --guest`, on the machine that it is called on: boots the guest with the recent kernel and
 * runs the same program there, with the same parameters. What it prints comes through; at the end the kernel
 * and its modules are named.
 */
import { join, resolve } from 'node:path';
import { boot } from '../../guest/boot.ts';
import { environmentOf } from '../../guest/environment.ts';
import { qemu } from '../../guest/qemu.ts';
import { dmCloneModule } from './dm-clone-module.ts';
import { moduleVariable } from './movers/dm-clone.ts';

const root = resolve(import.meta.dirname, '../../..');
/** Several times what it takes on two slow processors. */
const secondsMax = 60 * 60;
const memoryMib = 3072;

/** Returns the exit code of the program in the guest. */
export async function benchInGuest(parameters: readonly string[], asJson: boolean): Promise<number> {
  const missing = qemu.missing();
  if (missing !== undefined) throw new Error(`--guest needs ${missing}`);
  const program = [join(root, 'node_modules/tsx/dist/cli.mjs'), join(root, 'tests/bench/run.ts')];
  const { exitCode, kernelRelease, modules } = await boot(qemu, {
    command: [process.execPath, ...program, ...parameters],
    environment: { ...environmentOf(qemu), [moduleVariable]: await dmCloneModule() },
    workingDirectory: root,
    secondsMax,
    memoryMib,
  });
  const machine = { guest: qemu.name, kernel: kernelRelease, modules };
  process.stdout.write(
    asJson
      ? `${JSON.stringify(machine)}\n`
      : `\n${qemu.name}: Linux ${kernelRelease}; modules: ${modules.join(' ')}\n`,
  );
  return exitCode;
}
