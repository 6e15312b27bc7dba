/**
 * What a disk says about itself, from the places where lsblk does not look or, without udev, finds nothing: sysfs and
 * udev's own records. lsblk has the first word; these fill in what it lacks.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Hardware {
  readonly model: string | null;
  readonly vendor: string | null;
  readonly serial: string | null;
  readonly wwn: string | null;
}

/** The header of a SCSI vital product data page: its kind, its number, and the length of what follows. */
const productDataHeaderBytes = 4;

const serialOf: readonly ((folder: string) => string | null)[] = [
  // virtio and others tell it of the disk, NVMe and MMC of the controller or card.
  (folder) => readText(join(folder, 'serial')),
  (folder) => readText(join(folder, 'device/serial')),
  (folder) => readProductData(join(folder, 'device/vpd_pg80')),
];

const wwnOf: readonly ((folder: string) => string | null)[] = [
  (folder) => wwnFrom(readText(join(folder, 'wwid'))),
  (folder) => wwnFrom(readText(join(folder, 'device/wwid'))),
];

/** `folder`: of the whole disk in sysfs. */
export function readSysfsHardware(folder: string): Hardware {
  return {
    model: readText(join(folder, 'device/model')),
    vendor: vendorFrom(readText(join(folder, 'device/vendor'))),
    serial: firstOf(serialOf, folder),
    wwn: firstOf(wwnOf, folder),
  };
}

function firstOf(
  readers: readonly ((folder: string) => string | null)[],
  folder: string,
): string | null {
  for (const read of readers) {
    const value = read(folder);
    if (value !== null) return value;
  }
  return null;
}

/** A missing or refused attribute means only that this place tells nothing. */
function readText(path: string): string | null {
  try {
    return cleaned(readFileSync(path, 'latin1'));
  } catch {
    return null;
  }
}

function readProductData(path: string): string | null {
  try {
    return cleaned(readFileSync(path, 'latin1').slice(productDataHeaderBytes));
  } catch {
    return null;
  }
}

function cleaned(text: string): string | null {
  // Firmware pads names with spaces and zero bytes.
  const value = text.replace(/[\u0000-\u001f\u007f]/g, '').trim();
  return value === '' ? null : value;
}

/** PCI numbers (virtio) are no names. */
function vendorFrom(vendor: string | null): string | null {
  return vendor === null || /^0x[0-9a-f]{4}$/.test(vendor) || vendor === 'ATA' ? null : vendor;
}

/** As lsblk writes it. Only names that no other disk can have. */
function wwnFrom(identifier: string | null): string | null {
  const naa = /^naa\.([0-9a-f]+)$/.exec(identifier ?? '')?.[1];
  if (naa !== undefined) return `0x${naa}`;
  return /^(eui|uuid|nvme)\./.test(identifier ?? '') ? identifier : null;
}

const udevKeys = {
  model: 'ID_MODEL',
  vendor: 'ID_VENDOR',
  serial: 'ID_SERIAL_SHORT',
  wwn: 'ID_WWN',
} as const;

/** From udev's record of a device (`/run/udev/data/bMAJOR:MINOR`), where lines `E:` are its properties. */
export function parseUdevHardware(record: string): Hardware {
  const property = (key: string): string | null =>
    cleaned(new RegExp(`^E:${key}=(.*)$`, 'm').exec(record)?.[1] ?? '');
  return {
    model: property(udevKeys.model),
    vendor: vendorFrom(property(udevKeys.vendor)),
    serial: property(udevKeys.serial),
    wwn: property(udevKeys.wwn),
  };
}

export const noHardware: Hardware = { model: null, vendor: null, serial: null, wwn: null };
