/** Trees as drivers make them: acpi, hid-input (mice, UPS), ucsi (USB-C), and those that know type "UPS". */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isOnBattery } from '../../../app/base/power-supply.ts';
import { powerNotes } from '../../../app/service/awake.ts';

type Tree = Readonly<Record<string, Readonly<Record<string, string>>>>;

const mains = (online: '0' | '1') => ({ type: 'Mains', online });
/** ACPI's control-method batteries have no scope. */
const battery = (status: string) => ({
  ...{ type: 'Battery', present: '1', status, technology: 'Li-ion', capacity: '63', capacity_level: 'Normal' },
  ...{ energy_full: '50030000', energy_now: '31510000', power_now: '9120000', voltage_now: '11780000' },
});
const emptyBay = { type: 'Battery', present: '0', status: 'Discharging' };
const mouse = {
  ...{ type: 'Battery', scope: 'Device', present: '1', online: '1', status: 'Discharging', capacity: '80' },
  ...{ model_name: 'Wireless Mouse MX Master', manufacturer: 'Logitech' },
};
/** hid-input says so whatever the UPS does. */
const hidUps = { type: 'Battery', scope: 'Device', present: '1', online: '1', status: 'Discharging', model_name: 'Back-UPS' };
const ups = (status: string) => ({ type: 'UPS', present: '1', status });
const usbPort = (online: string) => ({ type: 'USB', online, usb_type: 'C [PD] PD_PPS' });

const trees: readonly (readonly [name: string, isOnBattery: boolean, Tree])[] = [
  ['a laptop on its battery', true, { AC: mains('0'), BAT0: battery('Discharging') }],
  ['a laptop on AC that charges', false, { AC: mains('1'), BAT0: battery('Charging') }],
  ['a laptop on AC, full', false, { ADP1: mains('1'), BAT1: battery('Full') }],
  ['a laptop on AC, at its threshold', false, { AC: mains('1'), BAT0: battery('Not charging') }],
  ['a laptop on AC whose firmware says "Discharging" there', false, { AC: mains('1'), BAT0: battery('Discharging') }],
  ['a laptop on AC with a wireless mouse', false, { AC: mains('1'), BAT0: battery('Full'), hidpp_battery_0: mouse }],
  ['a laptop on its battery with a USB stick', true, { AC: mains('0'), BAT0: battery('Discharging'), ucsi: usbPort('1') }],
  ['a laptop that a USB-C charger charges', false, { BAT0: battery('Charging'), ucsi: usbPort('1') }],
  ['a desktop', false, {}],
  ['a desktop with a wireless mouse', false, { hidpp_battery_0: mouse }],
  ['a desktop with a HID UPS', false, { 'hid-3B1519X12345-battery': hidUps }],
  ['a machine whose UPS is charged', false, { ups: ups('Charging') }],
  ['a machine whose UPS feeds it', true, { ups: ups('Discharging') }],
  ['two batteries, one in use', true, { AC: mains('0'), BAT0: battery('Not charging'), BAT1: battery('Discharging') }],
  ['two batteries on AC', false, { AC: mains('1'), BAT0: battery('Full'), BAT1: battery('Charging') }],
  ['two batteries on AC, one charged by the other', false, { AC: mains('1'), BAT0: battery('Discharging'), BAT1: battery('Charging') }],
  ['a server board with an empty bay', false, { BAT0: emptyBay }],
  ['a battery that names its scope', true, { 'sbs-1-000b': { ...battery('Discharging'), scope: 'System' } }],
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diskferry-power-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function plug(tree: Tree): void {
  for (const [supply, attributes] of Object.entries(tree)) {
    mkdirSync(join(folder, supply));
    for (const [name, value] of Object.entries(attributes)) writeFileSync(join(folder, supply, name), `${value}\n`);
  }
}

describe('whether the machine runs on its battery', () => {
  test.each(trees)('%s: %s', (_, expected, tree) => {
    plug(tree);
    expect(isOnBattery(folder)).toBe(expected);
    expect(powerNotes(folder)).toHaveLength(expected ? 1 : 0);
  });

  test.each([
    ['a battery that is drained', { type: 'Battery', status: 'Discharging' }, true],
    ['a system battery that is drained', { type: 'Battery', scope: 'System', status: 'Discharging' }, true],
    ['a battery that is charged', { type: 'Battery', status: 'Charging' }, false],
    ['a full battery', { type: 'Battery', status: 'Full' }, false],
    ["a mouse's battery", { type: 'Battery', scope: 'Device', status: 'Discharging' }, false],
    ['the mains', { type: 'Mains', online: '1' }, false],
  ])('is told by %s', (_, attributes, expected) => {
    plug({ one: attributes, AC: { type: 'Mains', online: '0' } });
    expect(isOnBattery(folder)).toBe(expected);
  });

  test('is not so where there is nothing to ask', () => {
    expect(isOnBattery(join(folder, 'none'))).toBe(false);
    expect(powerNotes(join(folder, 'none'))).toEqual([]);
  });
});
