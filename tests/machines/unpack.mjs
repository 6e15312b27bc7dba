// Writes each line "MACHINE NAME {…}" of its input to NAME.json beside it, one entry a line so that a change shows.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const compact = (value, depth = 1) => {
  if (depth === 0 || typeof value !== 'object' || value === null) return JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const items = Object.entries(value).map(([key, item]) =>
    Array.isArray(value) ? compact(item, depth - 1) : `${JSON.stringify(key)}: ${compact(item, depth - 1)}`,
  );
  return items.length === 0 ? open + close : `${open}\n${items.join(',\n')}\n${close}`;
};

for await (const line of createInterface({ input: process.stdin })) {
  const [, name, json] = /MACHINE (\S+) (\{.*\})/.exec(line) ?? [];
  if (name === undefined) continue;
  writeFileSync(join(import.meta.dirname, `${name}.json`), `${compact(JSON.parse(json), 2)}\n`);
  console.log(name);
}
