/** An error as it crosses from one process to another: plain data, checked where it arrives. */
import * as z from 'zod';
import { errorCodes } from '../base/error.ts';
import type { DiskferryErrorData } from '../base/error.ts';

const contextValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);

export const errorDataSchema: z.ZodType<DiskferryErrorData> = z.object({
  code: z.enum(errorCodes),
  message: z.string(),
  context: z.record(z.string(), contextValue),
});
