/**
 * The deb, made as `npm run dist` makes it and installed by dpkg in a Debian that has no Node: its service moves an
 * image, upgrade and removal wait for what needs its programs, and nothing is left afterwards. The steps build on each
 * other. Where Electron's program is not to be had, a stand-in lies in its place: no window is opened here.
 */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { exitCodes } from '../../app/contract/exit-codes.ts';
import { DebianMachine } from './support/debian-machine.ts';
import { makeImage, readPart } from './support/loop-disk.ts';
import { filesInAsar, fusesIn, hasDrivelist, hasElectron, makePackage, withVersion } from './support/package-parts.ts';
import { Scratch } from './support/scratch.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const sizeBytes = 24 * mebibyte;
const images = ['--source', '/images/source.img', '--destination', '/images/destination.img'];
const asked = ['--frontend', 'nbd-socket', '--yes'];
/** debootstrap may have to make the system first. */
const preparationMsMax = 30 * 60_000;

describe.skipIf(!isRoot)('the package (needs root)', () => {
  let scratch: Scratch | undefined;
  let machine: DebianMachine;

  beforeAll(async () => {
    if (!hasElectron) console.log("Electron's program is not here: the package has a stand-in for it");
    if (!hasDrivelist) console.log('drivelist could not be compiled here: the package has none');
    const made = await Scratch.make();
    scratch = made;
    const deb = await makePackage(made.directory);
    const newer = await withVersion(deb, '99.0.0', made.directory);
    machine = await DebianMachine.start(await made.makeDirectory('machine'));
    made.onRelease('the machine', () => machine.switchOff());
    await machine.must('mkdir', '/debs', '/images');
    for (const [from, name] of [[deb, 'this'], [newer, 'newer']] as const) {
      writeFileSync(machine.path(`/debs/${name}.deb`), readFileSync(from));
      rmSync(from);
    }
  }, preparationMsMax);
  // Where there is none, why has been said.
  afterAll(() => scratch?.releaseAll());

  const install = (name: string) => machine.run('dpkg', '--install', `/debs/${name}.deb`);
  const installedVersion = () => machine.must('dpkg-query', '--show', '--showformat=${Version} ${Status}', 'diskferry');

  async function allFiles(): Promise<string[]> {
    const ownOfDpkg = /^\/(debs|images|var\/lib\/dpkg|var\/log|var\/cache)(\/|$)/;
    const found = await machine.must('find', '/', '-xdev', '-mindepth', '1');
    return found.trim().split('\n').filter((path) => !ownOfDpkg.test(path)).sort();
  }

  async function serve(): Promise<void> {
    const service = machine.begin('diskferryd');
    let said = '';
    service.stderr?.on('data', (text: Buffer) => (said += text.toString()));
    await waitUntil('the service listens', () => {
      if (service.exitCode !== null) throw new Error(`the service has ended: ${said}`);
      return said.includes('listening at');
    });
  }

  async function state(): Promise<string> {
    const line = (await machine.must('diskferry', 'status', '--json')).trim();
    return line === '' ? 'none' : (JSON.parse(line) as { state: string }).state;
  }

  /** With everything crossed. */
  async function heldJob(): Promise<void> {
    makeImage(machine.path('/images/source.img'), sizeBytes, 'random');
    makeImage(machine.path('/images/destination.img'), sizeBytes);
    await machine.must('diskferry', 'start', ...images, ...asked, '--hold');
    await waitUntil('all has crossed', async () => (await state()) === 'synchronized');
  }

  let before: string[];

  /** What was not there before the package came. */
  async function leftOver(): Promise<string[]> {
    const known = new Set(before);
    return (await allFiles()).filter((path) => !known.has(path));
  }

  it('holds the app alone, and a program whose fuses let it run nothing else', async () => {
    await machine.must('dpkg-deb', '--extract', '/debs/this.deb', '/debs/unpacked');
    const folder = machine.path('/debs/unpacked/opt/Diskferry');
    expect(fusesIn(`${folder}/diskferry-wizard`)).toEqual({
      ...{ runAsNode: false, enableNodeOptionsEnvironmentVariable: false, enableNodeCliInspectArguments: false },
      ...{ onlyLoadAppFromAsar: true, enableEmbeddedAsarIntegrityValidation: false, enableCookieEncryption: true },
      ...{ loadBrowserProcessSpecificV8Snapshot: false, grantFileProtocolExtraPrivileges: false },
    });
    expect(filesInAsar(`${folder}/resources/app.asar`).sort()).toEqual([
      ...['/build/main/main.cjs', '/build/main/preload.cjs'],
      ...['/build/renderer/index.html', '/build/renderer/wizard.css', '/build/renderer/wizard.js', '/package.json'],
    ]);
    await machine.must('rm', '-r', '/debs/unpacked');
  });

  it('is installed in a Debian without Node, where nobody but root can write to it', async () => {
    before = await allFiles();
    expect((await machine.run('sh', '-c', 'command -v node')).exitCode).not.toBe(0);
    expect(await install('this')).toMatchObject({ exitCode: 0 });
    expect(await machine.must('diskferry', '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
    const listed = (await machine.must('dpkg', '--listfiles', 'diskferry')).trim().split('\n');
    expect(listed).toEqual(
      expect.arrayContaining([
        ...['/usr/lib/systemd/system/diskferryd.service', '/usr/share/polkit-1/actions/org.diskferry.policy'],
        ...['/usr/share/applications/diskferry-wizard.desktop', '/usr/share/man/man1/diskferry.1', '/usr/bin/diskferry'],
        ...['/usr/share/icons/hicolor/scalable/apps/diskferry-wizard.svg', '/usr/share/doc/diskferry/copyright'],
      ]),
    );
    const writable = ['(', '!', '-user', 'root', '-o', '-perm', '/022', '!', '-type', 'l', ')'];
    expect(await machine.must('find', '/usr/lib/diskferry', '/opt/Diskferry', ...writable)).toBe('');
    expect(await machine.must('dpkg', '--verify', 'diskferry')).toBe('');
    await machine.must('systemd-analyze', 'verify', '--man=no', '/usr/lib/systemd/system/diskferryd.service');
    expect(await machine.must('systemctl', 'is-enabled', 'diskferryd')).toBe('enabled\n');
  });

  it.skipIf(!hasDrivelist)('has what it loads beside its programs, so that no vote on a disk is missing', async () => {
    const load = "console.log(typeof require('/usr/lib/diskferry/node_modules/drivelist').list)";
    expect(await machine.must('/usr/lib/diskferry/node', '--eval', load)).toBe('function\n');
  });

  it('moves an image, and neither upgrade nor removal touches it meanwhile', async () => {
    await serve();
    await heldJob();
    const version = await installedVersion();
    for (const change of [() => install('newer'), () => machine.run('dpkg', '--remove', 'diskferry')]) {
      const { exitCode, stderr } = await change();
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain('diskferry: a move runs, and its volume is served by the programs of this package:');
      expect(await state()).toBe('synchronized');
    }
    expect((await installedVersion()).split(' ')[0]).toBe(version.split(' ')[0]);
    await machine.must('diskferry', 'cutover');
    await waitUntil('the job has left', async () => (await state()) === 'none');
    const [source, destination] = [machine.path('/images/source.img'), machine.path('/images/destination.img')];
    expect(readPart(destination, 0, sizeBytes).equals(readPart(source, 0, sizeBytes))).toBe(true);
  });

  it('is upgraded when no move runs, and its service is asked to end first', async () => {
    expect(await install('newer')).toMatchObject({ exitCode: 0 });
    expect(await installedVersion()).toBe('99.0.0 install ok installed');
    expect((await machine.run('diskferry', 'start', ...images, ...asked)).stderr).toContain('no service');
  });

  it('cannot be removed, but upgraded, while a move that has died waits to be recovered', async () => {
    await serve();
    await heldJob();
    await machine.must('pkill', '-KILL', '-f', 'job-process');
    const lives = async () => (await machine.run('pgrep', '-f', 'job-process')).exitCode === 0;
    await waitUntil('the job has died', async () => !(await lives()));
    const refused = await machine.run('dpkg', '--purge', 'diskferry');
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain('diskferry: a move has died, and its data is on both disks:');
    expect(await install('this')).toMatchObject({ exitCode: 0 });
    expect(await machine.run('diskferry', 'recover', '--undo')).toMatchObject({ exitCode: exitCodes.undone });
    expect(readdirSync(machine.path('/var/lib/diskferry/jobs'))).toEqual([]);
  });

  it('cannot be removed while a move keeps its live map, wherever its records are', async () => {
    await machine.must('mkdir', '-p', '/run/diskferry/elsewhere');
    await machine.must('touch', '/run/diskferry/elsewhere/maps');
    const { exitCode, stderr } = await machine.run('dpkg', '--remove', 'diskferry');
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain('elsewhere');
    await machine.must('rm', '-r', '/run/diskferry/elsewhere');
  });

  it('leaves its reports when it is removed, and nothing when it is purged', async () => {
    expect(await machine.run('dpkg', '--remove', 'diskferry')).toMatchObject({ exitCode: 0 });
    const left = await leftOver();
    expect(left.filter((path) => !path.startsWith('/var/lib/diskferry'))).toEqual([]);
    expect(left.some((path) => path.endsWith('.jsonl'))).toBe(true);
    expect(await install('this')).toMatchObject({ exitCode: 0 });
    expect(await machine.run('dpkg', '--purge', 'diskferry')).toMatchObject({ exitCode: 0 });
    expect(await leftOver()).toEqual([]);
    const now = new Set(await allFiles());
    expect(before.filter((path) => !now.has(path)), 'files that are gone').toEqual([]);
  });

  it('keeps the record of a move whose data is on both disks, even when it is purged', async () => {
    expect(await install('this')).toMatchObject({ exitCode: 0 });
    expect(await machine.run('dpkg', '--remove', 'diskferry')).toMatchObject({ exitCode: 0 });
    await machine.must('mkdir', '-p', '/var/lib/diskferry/jobs/forgotten');
    await machine.must('touch', '/var/lib/diskferry/jobs/forgotten/job.json');
    const { exitCode, stderr } = await machine.run('dpkg', '--purge', 'diskferry');
    expect(stderr).toContain('install Diskferry to recover it');
    expect(exitCode).toBe(0);
    expect(readdirSync(machine.path('/var/lib/diskferry/jobs'))).toEqual(['forgotten']);
  });
});
