/** A grow that is killed, interrupted or meets a fault at each of its steps: the same command goes on from what it finds. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import type { GrowLayerKind } from '../../app/contract/grow.ts';
import { growEventSchema } from '../../app/contract/grow.ts';
import { runCommand } from '../../app/devices/command.ts';
import { runProgram } from '../../app/devices/program.ts';
import { checkFileSystem } from './support/file-system.ts';
import type { FileSystemType } from './support/file-system.ts';
import {
  attachAgain,
  endsOf,
  grow,
  growCommand,
  grownIn,
  makePlanted,
  parseGrow,
  plantedIn,
  roomy,
  sfdisk,
  withStandIn,
} from './support/growable-disk.ts';
import type { Growable } from './support/growable-disk.ts';
import { cliProgram } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

function makeDisk(type: FileSystemType, label = 'gpt'): ReturnType<typeof makePlanted> {
  return makePlanted(scratchOf(), type, { script: `label: ${label}\n,\n`, part: 'p1' });
}

async function expectWhole({ path }: Growable, type: FileSystemType, digest: string): Promise<void> {
  await checkFileSystem(type, `${path}p1`);
  expect((await plantedIn(scratchOf(), `${path}p1`)).digest).toBe(digest);
}

/** Ends it by the signal as soon as it has told that this layer has grown; a moment later the next step has begun. */
async function signalBehind(disk: Growable, kind: GrowLayerKind, signal: NodeJS.Signals): Promise<number | null> {
  const parameters = ['grow', disk.path, '--yes', '--json', '--state-dir', scratchOf().stateDirectory];
  const child = spawn(process.execPath, [cliProgram, ...parameters], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = growEventSchema.safeParse(JSON.parse(line)).data;
    if (event?.event === 'grew' && event.layer.kind === kind) child.kill(signal);
  }
  return (await ended)[0];
}

const behind: Readonly<Record<string, readonly GrowLayerKind[]>> = {
  table: ['partition', 'file-system'],
  partition: ['file-system'],
};

describe.skipIf(!isRoot)('a grow (needs root)', () => {
  it.each<['table' | 'partition', FileSystemType]>([
    ['table', 'ext4'],
    ['partition', 'xfs'],
    ['partition', 'btrfs'],
  ])('that is killed behind the step of the %s goes on, with %s', async (kind, type) => {
    const { disk, digest } = await makeDisk(type);
    expect(await signalBehind(disk, kind, 'SIGKILL')).toBeNull();
    const run = await grow(scratchOf(), disk.path, '--yes');
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    // A program that had been begun has gone on to its end without us.
    for (const grown of grownIn(run)) expect(behind[kind]).toContain(grown);
    await expectWhole(disk, type, digest);
  });

  it('that was cut off between the table and the kernel goes on, also after the disk was away', async () => {
    const { disk, digest } = await makeDisk('ext4');
    await runCommand('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', '--relocate', 'gpt-bak-std', disk.path], 'sfdisk');
    await sfdisk(disk.path, ['-N', '1'], `,${798 * 2048}\n`);
    const first = await grow(scratchOf(), disk.path, '--dry-run');
    const [planned] = first.events;
    const growing = planned?.event === 'grow-planned' ? planned.plan.layers.filter(({ grows }) => grows) : [];
    expect(growing.map(({ kind, by }) => [kind, by])).toEqual([
      ['partition', 'resizepart'],
      ['file-system', 'resize2fs'],
    ]);
    const again = await attachAgain(disk);
    expect(grownIn(await grow(scratchOf(), again.path, '--yes'))).toEqual(['file-system']);
    await expectWhole(again, 'ext4', digest);
  });

  it('that is interrupted ends behind its step, and says that it can go on', async () => {
    const { disk, digest } = await makeDisk('ext4');
    expect(await signalBehind(disk, 'table', 'SIGTERM')).toBe(130);
    await expectWhole(disk, 'ext4', digest);
    // The step that had begun when the signal came is done.
    const run = await grow(scratchOf(), disk.path, '--yes');
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    expect(grownIn(run).at(-1)).toBe('file-system');
  });

  it('that is killed while the kernel is told leaves that to its end, and the disk locked until then', async () => {
    const { disk, digest } = await makeDisk('ext4');
    const [stand, begun] = [scratchOf().path('stand-in'), scratchOf().path('begun')];
    const text = `#!/bin/sh\ntouch ${begun}\nsleep 4\nexec ${stand}.real "$@"\n`;
    const words = withStandIn(stand, { program: 'resizepart', text }, growCommand(scratchOf(), disk.path, '--yes'));
    const child = spawn('unshare', words, { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await waitUntil('the kernel is being told', () => existsSync(begun));
    child.kill('SIGKILL');
    await ended;
    expect(await runProgram('flock', ['--nonblock', disk.path, 'true'])).toMatchObject({ exitCode: 1 });
    const size = `/sys/class/block/${disk.path.slice(5)}p1/size`;
    await waitUntil('the kernel knows', () => Number(readFileSync(size, 'utf8')) * 512 > roomy.smallBytes);
    expect(grownIn(await grow(scratchOf(), disk.path, '--yes'))).toEqual(['file-system']);
    await expectWhole(disk, 'ext4', digest);
  });

  it('that is interrupted while its file system is checked ends at once, and has written nothing', async () => {
    const { disk, digest } = await makeDisk('ext4');
    await runCommand('blockdev', ['--flushbufs', disk.path], 'flushing');
    const before = endsOf(disk, roomy.largeBytes);
    const text = '#!/bin/sh\nexec sleep 3600\n';
    const command = growCommand(scratchOf(), disk.path, '--yes');
    const words = withStandIn(scratchOf().path('stand-in'), { program: 'e2fsck', text }, command);
    const child = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'exit') as Promise<[number | null]>;
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (line.includes('grow-checking')) child.kill('SIGINT');
    }
    expect((await ended)[0]).toBe(130);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ code: 'interrupted', dataIs: 'untouched' });
    await runCommand('blockdev', ['--flushbufs', disk.path], 'flushing');
    expect(endsOf(disk, roomy.largeBytes).equals(before)).toBe(true);
    await expectWhole(disk, 'ext4', digest);
  });

  it('that does not know its disk again behind its first step does not say that nothing was changed', async () => {
    const { disk } = await makeDisk('ext4', 'dos');
    const stand = scratchOf().path('stand-in');
    const text = `#!/bin/sh\n${stand}.real "$@"\nwipefs --quiet --all --force ${disk.path}p1\n`;
    const words = withStandIn(stand, { program: 'resizepart', text }, growCommand(scratchOf(), disk.path, '--yes'));
    const run = parseGrow(await runProgram('unshare', words));
    expect(run).toMatchObject({ exitCode: 4, failure: { code: 'grow-failed', dataIs: 'in-place' } });
    expect(run.stderr).toContain('has grown in part only');
  });

  it.each([
    ['fails', '#!/bin/sh\necho the disk is tired >&2\nexit 1\n', 'the disk is tired'],
    ['does nothing and reports success', '#!/bin/sh\nexit 0\n', 'its program has reported success'],
  ])(
    'whose program %s leaves a disk that can be used, says so, and goes on later',
    async (_, text, words) => {
      const { disk, digest } = await makeDisk('xfs');
      const command = growCommand(scratchOf(), disk.path, '--yes');
      const inside = withStandIn(scratchOf().path('stand-in'), { program: 'xfs_growfs', text }, command);
      const run = parseGrow(await runProgram('unshare', inside));
      expect(run).toMatchObject({ exitCode: 4, failure: { code: 'grow-failed', dataIs: 'in-place' } });
      expect(run.stderr).toContain(words);
      await expectWhole(disk, 'xfs', digest);
      expect(grownIn(await grow(scratchOf(), disk.path, '--yes'))).toEqual(['file-system']);
      await expectWhole(disk, 'xfs', digest);
    },
    120_000,
  );
});
