/**
 * How fast a disk is connected, as the connection itself says in sysfs: the rate that both ends have agreed on, which a
 * hub, a cable or an old port makes lower than the disk could do. Where nothing says it (virtual disks, loop devices,
 * SAS, cards) it is not known; nothing is guessed here.
 *
 * Sources: Documentation/ABI/testing/sysfs-bus-usb ("speed", in Mbit/s), sysfs-ata ("sata_spd"), and sysfs-bus-pci
 * ("current_link_speed" in GT/s, "current_link_width") for NVMe.
 */
import { basename, dirname, join } from 'node:path';
import { listFolder, readAttribute } from './sysfs-files.ts';

export interface DiskLink {
  readonly by: 'usb' | 'sata' | 'pcie';
  /** On the wire, as people know it: USB 2 has 480, SATA 3 has 6000. */
  readonly megabits: number;
}

/** @param folder of the whole disk, without links */
export function readDiskLink(folder: string): DiskLink | null {
  const isNvme = /\/nvme\d+\//.test(`${folder}/`);
  for (let above = dirname(folder); basename(above) !== 'devices' && above !== dirname(above); above = dirname(above)) {
    const link = usbLink(above) ?? sataLink(above) ?? (isNvme ? pcieLink(above) : null);
    if (link !== null) return link;
  }
  return null;
}

/** Network cards have a speed, too; only what is plugged into USB has packets. */
function usbLink(folder: string): DiskLink | null {
  if (readAttribute(join(folder, 'bMaxPacketSize0')) === null) return null;
  return linkOf('usb', Number(readAttribute(join(folder, 'speed'))));
}

function sataLink(folder: string): DiskLink | null {
  if (!/^ata\d+$/.test(basename(folder))) return null;
  const speeds = listFolder(folder)
    .filter((name) => /^link\d+$/.test(name))
    .map((name) => /^([\d.]+) Gbps$/.exec(readAttribute(join(folder, name, 'ata_link', name, 'sata_spd')) ?? '')?.[1]);
  return linkOf('sata', Number(speeds.find((speed) => speed !== undefined)) * 1000);
}

/** Up to 5 GT/s ten bits carry eight, from 8 GT/s on 130 carry 128. */
function pcieLink(folder: string): DiskLink | null {
  const transfers = Number(/^([\d.]+) GT\/s/.exec(readAttribute(join(folder, 'current_link_speed')) ?? '')?.[1]);
  const lanes = Number(readAttribute(join(folder, 'current_link_width')));
  return linkOf('pcie', transfers * lanes * 1000 * (transfers > 5 ? 128 / 130 : 8 / 10));
}

function linkOf(by: DiskLink['by'], megabits: number): DiskLink | null {
  return Number.isFinite(megabits) && megabits > 0 ? { by, megabits: Math.round(megabits) } : null;
}
