/**
 * Whether the machine runs on a battery, from /sys/class/power_supply (Documentation/ABI/testing/sysfs-class-power): the
 * one rule for the service and the desktop app, because Electron tells of that on other systems only.
 *
 * It does when a battery or UPS that feeds the machine is drained and no mains adapter is online. Batteries of mice,
 * keyboards and the like have the scope "Device" and say "Discharging" all the time; so does a HID UPS, of which nothing
 * better is known. Where charging stops at a threshold, firmware says "Discharging" beside an adapter that is online. What
 * USB ports say does not count: some are "online" also while they feed others.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export function isOnBattery(folder = '/sys/class/power_supply'): boolean {
  const supplies = namesIn(folder)
    .map((name) => join(folder, name))
    .filter((supply) => attribute(supply, 'scope') !== 'Device');
  return supplies.some(isDrained) && !supplies.some(isMainsOnline);
}

function isDrained(supply: string): boolean {
  const isBattery = ['Battery', 'UPS'].includes(attribute(supply, 'type'));
  // An empty bay is a supply, too.
  return isBattery && attribute(supply, 'present') !== '0' && attribute(supply, 'status') === 'Discharging';
}

function isMainsOnline(supply: string): boolean {
  return attribute(supply, 'type') === 'Mains' && attribute(supply, 'online') === '1';
}

/** Not every supply has all of them, and one that has just been unplugged tells nothing (ENODEV). */
function attribute(supply: string, name: string): string {
  try {
    return readFileSync(join(supply, name), 'latin1').trim();
  } catch {
    return '';
  }
}

/** A machine without supplies may not have the folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
