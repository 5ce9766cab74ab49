import type { Dialect } from './dialect.ts';
import { toJsonSchema } from './json-schema.ts';
import type { Method, Route } from './route.ts';

/**
 * Returns the OpenAPI 3.1 document of a dialect. Schemas come from the joi schemas that check the requests, and that the tests hold
 * the answers against, so there is no second copy to keep: path parameters, the query of GET and DELETE, the body of the rest, and
 * what comes back.
 */
export function openapiDocument(dialect: Dialect, facts: { version: string; serverUrl: string }): object {
  const paths: Record<string, Record<string, object>> = {};
  const schemas: Record<string, object> = { Error: dialect.envelope.failure };
  for (const route of dialect.routes) {
    schemas[answerName(route)] = dialect.envelope.success(route.answer && toJsonSchema(route.answer, 'output'));
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    for (const method of route.methods) (paths[path] ??= {})[method.toLowerCase()] = operation(dialect, route, method);
  }
  return {
    openapi: '3.1.0',
    info: { title: dialect.title, description: dialect.description, version: facts.version },
    servers: [{ url: facts.serverUrl }],
    paths,
    components: { securitySchemes: dialect.securitySchemes, schemas },
  };
}

function operation(dialect: Dialect, route: Route, method: Method): object {
  const schema = toJsonSchema(route.body, 'input');
  const inPath = new Set([...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? ''));
  const properties = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required ?? []);
  const inQuery = method === 'GET' || method === 'DELETE';

  const parameters = properties
    .filter(([name]) => inPath.has(name) || inQuery)
    .map(([name, property]) => ({
      name,
      in: inPath.has(name) ? 'path' : 'query',
      required: inPath.has(name) || required.has(name),
      schema: property,
    }));
  const fields = properties.filter(([name]) => !inPath.has(name));
  const bodySchema = {
    type: 'object',
    properties: Object.fromEntries(fields),
    required: [...required].filter((name) => !inPath.has(name)),
  };
  return {
    operationId: operationName(route, method),
    summary: route.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(!inQuery &&
      fields.length > 0 && {
        requestBody: { required: bodySchema.required.length > 0, content: bodyTypes(bodySchema) },
      }),
    security: route.auth === 'guest' ? [] : Object.keys(dialect.securitySchemes).map((name) => ({ [name]: [] })),
    responses: {
      '200': { description: 'Success', content: { 'application/json': reference(answerName(route)) } },
      default: {
        description: 'An error, in the envelope of this API',
        content: { 'application/json': reference('Error') },
      },
    },
  };
}

function operationName(route: Route, method: Method): string {
  return `${method.toLowerCase()} ${route.path}`.replace(/\W+/g, '_');
}

/** The methods of a route answer the same. */
function answerName(route: Route): string {
  return `${operationName(route, route.methods[0]!)}_answer`;
}

function reference(name: string): object {
  return { schema: { $ref: `#/components/schemas/${name}` } };
}

function bodyTypes(schema: object): Record<string, object> {
  return { 'application/json': { schema }, 'application/x-www-form-urlencoded': { schema } };
}
