/**
 * Parts of the kernel that may be there as modules: whether one could be loaded, which anybody may ask, and
 * loading it, which is for root.
 */
import { DiskferryError } from '../base/error.ts';
import { runCommand } from './command.ts';
import { runProgram } from './program.ts';

/** Whether the running kernel has it, loaded, built in or as a module on disk. */
export async function hasModule(name: string): Promise<boolean> {
  try {
    return (await runProgram('modprobe', ['--dry-run', '--quiet', name])).exitCode === 0;
  } catch (error) {
    // Without modprobe, as in a container, nothing can be loaded.
    if (error instanceof DiskferryError && error.code === 'program-missing') return false;
    throw error;
  }
}

/** Throws with modprobe's words. Does nothing when it is loaded already. */
export async function loadModule(name: string): Promise<void> {
  await runCommand('modprobe', ['--', name], `loading the kernel module ${name}`);
}
