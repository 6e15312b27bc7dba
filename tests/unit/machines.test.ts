/**
 * The trees, verdicts and reasons that `diskferry devices` gives on machines of many kinds. Each line of an
 * expectation is one device: what it is, then how it would move as a source or why not, then whether it may
 * be erased as a destination.
 */
import { describe, expect, test } from 'vitest';
import type { DeviceTree, Eligibility } from '../../app/contract/device-tree.ts';
import { deviceTreeSchema } from '../../app/contract/device-tree.ts';
import { machineNames, readMachine, treesOfMachine } from '../machines/machine.ts';
import { verdicts } from '../machines/verdicts.ts';

function describeTree(tree: DeviceTree, depth = 0): string[] {
  const { path, kind, content, mountPoints, isSwap, isSystem, asSource, asDestination, way, health } = tree;
  const what = [
    kind,
    content?.fileSystemType ?? content?.partitionTableType ?? '',
    ...mountPoints.map((target) => `on ${target.replace(/^\/tmp\/scene-\w+/, '$DIR')}`),
    isSwap ? 'swap' : '',
    isSystem ? 'system' : '',
    health === null ? '' : health.state,
  ].filter((word) => word !== '');
  const line = `${'  '.repeat(depth)}${path} ${what.join(' ')} | ${way?.way ?? codeOf(asSource)} | ${codeOf(asDestination)}`;
  return [line, ...tree.children.flatMap((child) => describeTree(child, depth + 1))];
}

function codeOf({ reason }: Eligibility): string {
  return reason?.code ?? 'yes';
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

function allOf(tree: DeviceTree): DeviceTree[] {
  return [tree, ...tree.children.flatMap(allOf)];
}

const seen = new Map(machineNames().map((name) => [name, treesOfMachine(readMachine(name))]));
const treesOf = (name: string): DeviceTree[] => seen.get(name) ?? [];

function find(name: string, path: string): DeviceTree {
  const found = treesOf(name)
    .flatMap(allOf)
    .find((tree) => tree.path === path);
  if (found === undefined) throw new Error(`${name} has no ${path}`);
  return found;
}

describe('the machines', () => {
  test('are of twelve kinds or more, eight or more of them recorded', () => {
    const origins = machineNames().map((name) => readMachine(name).origin);
    expect(origins.length).toBeGreaterThanOrEqual(12);
    expect(origins.filter((origin) => origin.startsWith('recorded: ')).length).toBeGreaterThanOrEqual(8);
    expect(Object.keys(verdicts).sort()).toEqual(machineNames());
  });

  test.each(Object.entries(verdicts))('%s: shows the right tree, verdicts and reasons', (name, expected) => {
    const trees = treesOf(name);
    for (const tree of trees) expect(deviceTreeSchema.parse(tree)).toEqual(tree);
    const found = trees.flatMap((tree) => describeTree(tree));
    expect(found).toEqual(linesOf(expected));
  });

  test('have a reason and advice for every device that cannot be chosen', () => {
    for (const tree of machineNames().flatMap(treesOf).flatMap(allOf)) {
      for (const { eligible, reason } of [tree.asSource, tree.asDestination]) {
        expect(reason === null).toBe(eligible);
        if (reason === null) continue;
        expect(reason.message).toMatch(/^\/dev\/\S+: /);
        expect(reason.advice.length).toBeGreaterThan(10);
      }
    }
  });
});

describe('what lsblk does not tell', () => {
  test('is read from sysfs: model, serial and WWN', () => {
    expect(find('laptop-luks-lvm-root', '/dev/nvme0n1')).toMatchObject({
      model: 'Samsung SSD 980 PRO 500GB',
      serial: 'S5GXNX0R123456Z',
      wwn: 'eui.002538b1114',
      bus: 'nvme',
    });
    expect(find('laptop-luks-lvm-root', '/dev/sda')).toMatchObject({
      model: 'WDC WD20EZRX-00D8PB0',
      vendor: null,
      serial: 'WD-WCC4M0123456',
      wwn: '0x50014ee2b5c0ffee',
    });
    expect(find('desktop-usb-and-cards', '/dev/mmcblk0').serial).toBe('0x12ab34cd');
  });

  test('a failing disk is shown as one, with its figures', () => {
    expect(find('laptop-luks-lvm-root', '/dev/sda').health).toEqual({
      state: 'failing',
      message: 'the disk expects to fail soon',
      temperatureCelsius: 51,
      poweredOnHours: 61234,
    });
  });

  test('a mount that only drivelist sees speaks against the whole disk', () => {
    const reason = find('mount-seen-once', '/dev/sdb').asDestination.reason;
    expect(reason?.message).toContain('drivelist sees /dev/sdb mounted on /srv/hidden');
  });
});
