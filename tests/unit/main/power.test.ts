import { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BridgeMessage } from '../../../app/contract/bridge.ts';
import type { Notice } from '../../../main/job-notices.ts';
import { isOnBattery } from '../../../main/power-supply.ts';
import { PowerWatch } from '../../../main/power-watch.ts';

describe('whether the machine runs on its battery', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'diskferry-power-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function supply(name: string, attributes: Readonly<Record<string, string>>): void {
    mkdirSync(join(folder, name));
    for (const [attribute, value] of Object.entries(attributes)) writeFileSync(join(folder, name, attribute), `${value}\n`);
  }

  test.each([
    ['a battery that is drained', { type: 'Battery', status: 'Discharging' }, true],
    ['a system battery that is drained', { type: 'Battery', scope: 'System', status: 'Discharging' }, true],
    ['a battery that is charged', { type: 'Battery', status: 'Charging' }, false],
    ['a full battery', { type: 'Battery', status: 'Full' }, false],
    ["a mouse's battery", { type: 'Battery', scope: 'Device', status: 'Discharging' }, false],
    ['the mains', { type: 'Mains', online: '1' }, false],
  ])('is told by %s', (_, attributes, expected) => {
    supply('one', attributes);
    supply('AC', { type: 'Mains', online: '0' });
    expect(isOnBattery(folder)).toBe(expected);
  });

  test('is not so where there is nothing to ask', () => {
    expect(isOnBattery(folder)).toBe(false);
    expect(isOnBattery(join(folder, 'none'))).toBe(false);
  });
});

describe('the watch of the power', () => {
  const monitor = new EventEmitter();
  let now: boolean;
  let isMoving: boolean;
  let notices: Notice[];
  let told: BridgeMessage[];
  let watch: PowerWatch;
  let stop: () => void;

  beforeEach(() => {
    [now, isMoving, notices, told] = [false, true, [], []];
    watch = new PowerWatch({
      ...{ monitor, isOnBattery: () => now, isMoving: () => isMoving },
      notify: (notice) => notices.push(notice),
    });
    stop = watch.follow((message) => told.push(message));
  });
  afterEach(() => {
    watch.close();
    monitor.removeAllListeners();
  });

  test('tells a page how it stands, and each change once', () => {
    watch.look();
    now = true;
    watch.look();
    watch.look();
    expect(told).toEqual([
      { kind: 'power', isOnBattery: false },
      { kind: 'power', isOnBattery: true },
    ]);
    stop();
    now = false;
    watch.look();
    expect(told).toHaveLength(2);
  });

  test('tells the person only while a move runs, and only of what is worse', () => {
    now = true;
    watch.look();
    now = false;
    watch.look();
    isMoving = false;
    now = true;
    watch.look();
    expect(notices).toMatchObject([{ title: 'A move runs on battery', isUrgent: true }]);
  });

  test('has pages look anew after sleep, and has looked at the power first', () => {
    now = true;
    monitor.emit('resume');
    expect(told.slice(1)).toEqual([{ kind: 'power', isOnBattery: true }, { kind: 'awoken' }]);
  });
});
