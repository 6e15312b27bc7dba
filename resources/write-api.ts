/**
 * Writes docs/service-api.md from the contract's schemas, so that the page says what the service checks:
 * npx tsx resources/write-api.ts. A test sees that it is current.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { errorCodes } from '../app/base/error.ts';
import { jobStatusSchema, statusLineSchema } from '../app/contract/control.ts';
import { deviceTreeSchema, eligibilitySchema } from '../app/contract/device-tree.ts';
import { jobEventSchema, reportSchema } from '../app/contract/events.ts';
import { contentSchema, planSchema, plannedDiskSchema } from '../app/contract/plan.ts';
import { reportDocumentSchema } from '../app/contract/report/document.ts';
import {
  apiVersion,
  defaultSocketPath,
  serviceLimits,
  serviceNotifications,
  serviceRequests,
} from '../app/contract/service.ts';

export const apiPagePath = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs/service-api.md');

/** Those that several messages share have a section of their own. */
const shared: Readonly<Record<string, z.ZodType>> = {
  Plan: planSchema,
  PlannedDisk: plannedDiskSchema,
  Content: contentSchema,
  JobEvent: jobEventSchema,
  JobReport: reportSchema,
  JobStatus: jobStatusSchema,
  StatusLine: statusLineSchema,
  DeviceTree: deviceTreeSchema,
  Eligibility: eligibilitySchema,
  ReportDocument: reportDocumentSchema,
};

const names = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(shared)) names.add(schema, { id });

/** As much of JSON Schema as zod writes for these. */
interface Described {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Described>>;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Described[];
  readonly oneOf?: readonly Described[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly required?: readonly string[];
  readonly items?: Described;
  readonly default?: unknown;
}

const errorCodeText = JSON.stringify(errorCodes);

/** In the words of TypeScript, which are shorter than JSON Schema's. */
function typeText(schema: Described, indent = ''): string {
  if (schema.$ref !== undefined)
    return schema.$ref === '#' ? 'DeviceTree' : (schema.$ref.split('/').at(-1) ?? '');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return enumText(schema.enum);
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return either.map((one) => typeText(one, indent)).join(' | ');
  if (schema.type === 'array')
    return `(${typeText(schema.items ?? {}, indent)})[]`.replace(/^\((\w+)\)/, '$1');
  if (schema.properties === undefined) return schema.type ?? 'any';
  return objectText(schema, schema.properties, indent);
}

function enumText(values: readonly unknown[]): string {
  if (JSON.stringify(values) === errorCodeText) return 'ErrorCode';
  if (JSON.stringify(values) === JSON.stringify([...errorCodes, 'bug'])) return 'ErrorCode | "bug"';
  return values.map((value) => JSON.stringify(value)).join(' | ');
}

function objectText(
  { required = [] }: Described,
  properties: Readonly<Record<string, Described>>,
  indent: string,
): string {
  const deeper = `${indent}  `;
  const lines = Object.entries(properties).map(([name, property]) => {
    const isOptional = !required.includes(name);
    const otherwise =
      property.default === undefined ? '' : ` // ${JSON.stringify(property.default)} if left out`;
    return `${deeper}${name}${isOptional ? '?' : ''}: ${typeText(property, deeper)};${otherwise}`;
  });
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${indent}}`;
}

function describe(schema: z.ZodType, io: 'input' | 'output'): Described {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any', metadata: names }) as Described;
}

function schemaText(schema: z.ZodType, io: 'input' | 'output'): string {
  return `\`\`\`ts\n${typeText(describe(schema, io))}\n\`\`\``;
}

function sharedSections(): string[] {
  return Object.entries(shared).flatMap(([name, schema]) => {
    const described = describe(schema, 'output');
    const own = described.$defs?.[name] ?? described;
    return [`### ${name}`, `\`\`\`ts\n${typeText(own)}\n\`\`\``];
  });
}

function limitLines(): string[] {
  return Object.entries(serviceLimits).map(([name, value]) => `- \`${name}\`: ${value}`);
}

function requestSections(): string[] {
  return Object.entries(serviceRequests).flatMap(([name, { parameters, result, action, meaning }]) => [
    `### ${name}`,
    `${meaning} Allowed by: ${action === null ? 'nobody needs to' : `\`org.diskferry.${action}\``}.`,
    'Takes',
    schemaText(parameters, 'input'),
    'Gives',
    schemaText(result, 'output'),
  ]);
}

function notificationSections(): string[] {
  return Object.entries(serviceNotifications).flatMap(([name, { parameters, meaning }]) => [
    `### ${name}`,
    meaning,
    schemaText(parameters, 'output'),
  ]);
}

export function apiPage(): string {
  const parts = [
    '# The API of the service',
    '<!-- Written by resources/write-api.ts from app/contract/service.ts: do not change it here. -->',
    `Version ${apiVersion}. JSON-RPC 2.0 over the Unix socket \`${defaultSocketPath}\`, ` +
      'in frames of `Content-Length: N`, an empty line, and N bytes. ' +
      'A refusal has the code -32000 (-32602 for wrong parameters), and in `data` `{code, message, context}`, ' +
      'with the codes of `app/base/error.ts`.',
    '## Limits',
    limitLines().join('\n'),
    '## Requests',
    ...requestSections(),
    '## Notifications',
    ...notificationSections(),
    '## Types',
    ...sharedSections(),
  ];
  return `${parts.join('\n\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(apiPagePath, apiPage());
