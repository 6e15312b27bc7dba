/** What every test of this folder builds on: root, a writable view of the host's files, modules by demand. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { describe, expect, it } from 'vitest';

const kernels = { 'user-mode-linux': /^6\.1\./, qemu: /^6\.12\./ } as const;
const guest = process.env['DISKFERRY_GUEST'] as keyof typeof kernels;

describe(`the guest ${guest}`, () => {
  it('runs the kernel that it is for, as root', () => {
    expect(release()).toMatch(kernels[guest]);
    expect(process.getuid?.()).toBe(0);
  });

  it('writes to its own view of the host and not to the host', () => {
    writeFileSync('/usr/only-in-the-guest', 'x');
    expect(existsSync('/usr/only-in-the-guest')).toBe(true);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toMatch(/ \/ \/ rw\S* - overlay /);
  });

  it('has device-mapper and nbd, and ublk in the newer kernel', () => {
    expect(existsSync('/dev/mapper/control')).toBe(true);
    expect(existsSync('/dev/nbd0')).toBe(true);
    expect(existsSync('/dev/ublk-control')).toBe(guest === 'qemu');
  });

  it('loads a module of its kernel when asked to', () => {
    execFileSync('modprobe', ['dm-flakey']);
    expect(readFileSync('/proc/modules', 'utf8')).toMatch(/^dm_flakey /m);
  });
});
