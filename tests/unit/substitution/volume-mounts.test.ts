/** What becomes of the other mounts when one of them fails, by a mount(8) and umount(8) that only say so. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { messageOf } from '../../../app/base/error.ts';
import type { PlannedMount } from '../../../app/contract/plan.ts';
import { VolumeMounts } from '../../../app/substitution/volume-mounts.ts';

let directory: string;
let places: string[];
let mounts: VolumeMounts;

const device = '/dev/null';
const bad = (isBad: boolean): void => writeFileSync(join(directory, 'is-bad'), isBad ? 'yes' : '');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-mounts-'));
  const script = [
    '#!/bin/sh',
    'for target; do :; done',
    `if [ -s ${directory}/is-bad ] && [ "$target" = ${directory}/bad ]; then echo refused >&2; exit 32; fi`,
    // A bind mount or a change of propagation is not the mount that is asked about.
    `case "$1" in --make-*) ;; *) echo "$(basename $0) $target" >> ${directory}/called;; esac`,
  ];
  for (const program of ['mount', 'umount']) writeFileSync(join(directory, program), `${script.join('\n')}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${directory}:${process.env['PATH'] ?? ''}`);
  places = ['good', 'bad', 'bad/inside', 'badly-named', 'last'].map((name) => join(directory, name));
  mounts = new VolumeMounts(places.map(mountAt), 'recovered');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

function mountAt(target: string): PlannedMount {
  const propagation = { peerGroup: null, masterGroup: null, isUnbindable: false };
  return { target, fsType: 'ext4', options: 'rw', readOnlyHere: false, userOptions: '', root: '/', propagation };
}

/** Since the last look. */
function called(): string[] {
  const path = join(directory, 'called');
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  writeFileSync(path, '');
  return lines.map((line) => line.replace(`${directory}/`, ''));
}

describe('mounts of a volume', () => {
  it('are all tried, but those inside one that failed, and all failures are told', async () => {
    bad(true);
    const error: unknown = await mounts.mountAll(device).catch((reason: unknown) => reason);
    expect(called()).toEqual(['mount good', 'mount badly-named', 'mount last']);
    expect(messageOf(error)).toMatch(/^mounting .*bad failed.*refused.*; then .*bad\/inside: is not mounted without .*bad$/);
  });

  it('are tried again where they failed, and only there', async () => {
    bad(true);
    await expect(mounts.mountAll(device)).rejects.toMatchObject({ code: 'command-failed' });
    called();
    bad(false);
    await mounts.mountAll(device);
    expect(called()).toEqual(['mount bad', 'mount bad/inside']);
  });
});
