/**
 * Whether the machine runs on its battery, as the kernel says (Documentation/ABI/testing/sysfs-class-power): Electron tells
 * of that on other systems only. Batteries of mice and the like have the scope "Device" and do not count.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const supplies = '/sys/class/power_supply';

export function isOnBattery(folder = supplies): boolean {
  const attribute = (supply: string, name: string): string => {
    try {
      return readFileSync(join(folder, supply, name), 'utf8').trim();
    } catch {
      return ''; // not every supply has it, and one may have gone
    }
  };
  const isDrained = (supply: string): boolean =>
    attribute(supply, 'type') === 'Battery' &&
    attribute(supply, 'scope') !== 'Device' &&
    attribute(supply, 'status') === 'Discharging';
  return namesIn(folder).some(isDrained);
}

/** A machine without supplies may not have the folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
