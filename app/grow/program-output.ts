/**
 * What programs print as JSON, read with a schema: what is not as expected is a refusal, and no bug of ours.
 */
import type * as z from 'zod';
import { DiskferryError } from '../base/error.ts';

/** Pure. Throws `cannot-be-grown`. */
export function parseOutput<Schema extends z.ZodType>(
  schema: Schema,
  json: string,
  { device, program }: { readonly device: string; readonly program: string },
): z.infer<Schema> {
  const parsed = schema.safeParse(valueOf(json));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined ? '' : ` (${issue.path.join('.')}: ${issue.message})`;
  const message = `${device}: ${program} says something else than this version of Diskferry understands${where}`;
  throw new DiskferryError('cannot-be-grown', message, { context: { device, program }, cause: parsed.error });
}

/** Undefined, which no schema here takes, where it is no JSON. */
function valueOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
