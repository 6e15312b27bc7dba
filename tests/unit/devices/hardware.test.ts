import { expect, test } from 'vitest';
import { parseUdevHardware } from '../../../app/devices/hardware.ts';

test("udev's record fills in what a disk is called", () => {
  const record = 'S:disk/by-id/ata-X\nE:ID_MODEL=WDC_WD20\nE:ID_SERIAL=WDC_WD20_S1\nE:ID_SERIAL_SHORT=S1\nE:ID_WWN=0x5\n';
  expect(parseUdevHardware(record)).toEqual({ model: 'WDC_WD20', vendor: null, serial: 'S1', wwn: '0x5' });
});

test('a number of PCI, or "ATA", is no vendor', () => {
  expect(parseUdevHardware('E:ID_VENDOR=0x1af4\n').vendor).toBeNull();
  expect(parseUdevHardware('E:ID_VENDOR=ATA\n').vendor).toBeNull();
});
