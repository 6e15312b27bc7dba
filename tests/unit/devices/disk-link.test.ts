/** Folders of sysfs as real machines have them, for connections that test machines lack. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readDiskLink } from '../../../app/devices/disk-link.ts';

let devices: string;

beforeEach(() => {
  devices = join(mkdtempSync(join(tmpdir(), 'diskferry-links-')), 'devices');
});

afterEach(() => {
  rmSync(dirname(devices), { recursive: true });
});

/** Attributes by their path under `devices`; returns what the disk at `disk` says. */
function linkOf(disk: string, attributes: Readonly<Record<string, string | number>>) {
  mkdirSync(join(devices, disk), { recursive: true });
  for (const [path, value] of Object.entries(attributes)) {
    mkdirSync(dirname(join(devices, path)), { recursive: true });
    writeFileSync(join(devices, path), `${value}\n`);
  }
  return readDiskLink(join(devices, disk));
}

const usb = 'pci0000:00/0000:00:14.0/usb1/1-4';

describe("a disk's connection", () => {
  test('of USB is what the disk and its port have agreed on, and not what the hub above it could do', () => {
    const stick = `${usb}/1-4.2`;
    const speeds = { [`${stick}/speed`]: 480, [`${stick}/bMaxPacketSize0`]: 64, [`${usb}/speed`]: 5000, [`${usb}/bMaxPacketSize0`]: 9 };
    expect(linkOf(`${stick}/1-4.2:1.0/host6/target6:0:0/6:0:0:0/block/sdb`, speeds)).toEqual({ by: 'usb', megabits: 480 });
  });

  test('of SATA is that of its link, also where another link of the controller is faster', () => {
    const ata = 'pci0000:00/0000:00:17.0/ata3';
    const speeds = {
      [`${ata}/link3/ata_link/link3/sata_spd`]: '3.0 Gbps',
      'pci0000:00/0000:00:17.0/ata4/link4/ata_link/link4/sata_spd': '6.0 Gbps',
      // Behind a bridge of PCI, which has a speed as well.
      'pci0000:00/0000:00:17.0/current_link_speed': '8.0 GT/s PCIe',
      'pci0000:00/0000:00:17.0/current_link_width': 4,
    };
    expect(linkOf(`${ata}/host2/target2:0:0/2:0:0:0/block/sda`, speeds)).toEqual({ by: 'sata', megabits: 3000 });
  });

  test.each([
    ['8.0 GT/s PCIe', 4, 31_508],
    ['5.0 GT/s PCIe', 2, 8000],
    ['2.5 GT/s', 1, 2000],
  ])('of NVMe is what its lanes carry: %s, %i', (speed, lanes, megabits) => {
    const card = 'pci0000:00/0000:00:1d.0/0000:01:00.0';
    const speeds = { [`${card}/current_link_speed`]: speed, [`${card}/current_link_width`]: lanes };
    expect(linkOf(`${card}/nvme/nvme0/nvme0n1`, speeds)).toEqual({ by: 'pcie', megabits });
  });

  test('is not known where nothing says it', () => {
    expect(linkOf('virtual/block/loop0', {})).toBeNull();
    // A virtual disk sits on PCI, but not on its wires.
    const card = { 'pci0000:00/0000:00:05.0/current_link_speed': '8.0 GT/s PCIe', 'pci0000:00/0000:00:05.0/current_link_width': 1 };
    expect(linkOf('pci0000:00/0000:00:05.0/virtio2/block/vda', card)).toBeNull();
    const unplugged = 'pci0000:00/0000:00:17.0/ata3';
    const nothing = { [`${unplugged}/link3/ata_link/link3/sata_spd`]: '<unknown>' };
    expect(linkOf(`${unplugged}/host2/target2:0:0/2:0:0:0/block/sda`, nothing)).toBeNull();
    const unknown = { 'pci0000:00/0000:01:00.0/current_link_speed': 'Unknown', 'pci0000:00/0000:01:00.0/current_link_width': 0 };
    expect(linkOf('pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1', unknown)).toBeNull();
  });
});
