/** What `pvs --reportformat json` of lvm2 2.03 prints, and what is read from it. */
import { expect, it } from 'vitest';
import { parsePhysicalVolume } from '../../../app/devices/physical-volume.ts';

const row = {
  pv_major: '8',
  pv_minor: '16',
  vg_name: 'vg',
  vg_uuid: 'atqHCh-JnBX-2RB0',
  vg_shared: '',
  vg_clustered: '',
  pv_duplicate: '',
  pv_mda_count: '1',
};

function parse(...rows: readonly object[]) {
  return parsePhysicalVolume(JSON.stringify({ report: [{ pv: rows }] }), '8:16');
}

it('tells the volume group of the disk', () => {
  expect(parse({ ...row, pv_minor: '32', vg_name: 'other', vg_uuid: 'x' }, row)).toEqual({
    groupName: 'vg',
    groupId: 'atqHCh-JnBX-2RB0',
    isShared: false,
    isDuplicate: false,
    metadataAreaCount: 1,
  });
});

it.each([
  ['vg_shared', 'shared'],
  ['vg_clustered', 'clustered'],
])('tells that other machines use it: %s', (name, value) => {
  expect(parse({ ...row, [name]: value })?.isShared).toBe(true);
});

it('tells that LVM sees it twice', () => {
  expect(parse(row, { ...row, pv_minor: '48', pv_duplicate: 'duplicate' })?.isDuplicate).toBe(true);
});

it('tells that there is none', () => {
  expect(parse()).toBeNull();
  expect(parse({ ...row, vg_name: '' })).toBeNull();
});
