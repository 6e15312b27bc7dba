import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BridgeMessage } from '../../../app/contract/bridge.ts';
import type { Notice } from '../../../main/job-notices.ts';
import { PowerWatch } from '../../../main/power-watch.ts';

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
