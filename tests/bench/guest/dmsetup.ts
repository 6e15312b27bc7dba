/**
 * Device-mapper as somebody uses it who moves a volume by hand: dmsetup(8). A table is loaded first and takes
 * effect in one call, so that the consumer stands still for no longer than the kernel needs.
 */
import { runCommand } from '../../../app/devices/command.ts';
import type { Bench } from '../benchmark.ts';

/** Gone when the benchmark ends. */
export async function createDevice(bench: Bench, name: string, table: string): Promise<string> {
  await runCommand('dmsetup', ['create', name, '--table', table], `dmsetup create ${name}`);
  bench.held.add(name, () =>
    runCommand('dmsetup', ['remove', '--retry', name], `dmsetup remove ${name}`).then(() => {}),
  );
  return `/dev/mapper/${name}`;
}

/** Resuming suspends first. */
export async function changeTable(name: string, table: string): Promise<void> {
  await runCommand('dmsetup', ['load', name, '--table', table], `dmsetup load ${name}`);
  await runCommand('dmsetup', ['resume', name], `dmsetup resume ${name}`);
}
