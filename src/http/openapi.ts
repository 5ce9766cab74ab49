import type { Dialect } from './dialect.ts';
import type { Method, Route } from './route.ts';

interface JsonSchema {
  properties?: Record<string, unknown>;
  required?: string[];
  additionalProperties?: boolean;
}

/**
 * Returns the OpenAPI 3.1 document of a dialect. Schemas come from the joi schemas that check the requests, so there is no
 * second copy to keep: path parameters, the query of GET and DELETE, and the body of the rest.
 */
export function openapiDocument(dialect: Dialect, facts: { version: string; serverUrl: string }): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of dialect.routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    for (const method of route.methods) (paths[path] ??= {})[method.toLowerCase()] = operation(dialect, route, method);
  }
  return {
    openapi: '3.1.0',
    info: { title: dialect.title, description: dialect.description, version: facts.version },
    servers: [{ url: facts.serverUrl }],
    paths,
    components: { securitySchemes: dialect.securitySchemes },
  };
}

function operation(dialect: Dialect, route: Route, method: Method): object {
  const schema = route.body['~standard'].jsonSchema.input({ target: 'draft-2020-12' }) as JsonSchema;
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
    operationId: `${method.toLowerCase()} ${route.path}`.replace(/\W+/g, '_'),
    summary: route.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(!inQuery &&
      fields.length > 0 && {
        requestBody: { required: bodySchema.required.length > 0, content: bodyTypes(bodySchema) },
      }),
    security: route.auth === 'guest' ? [] : Object.keys(dialect.securitySchemes).map((name) => ({ [name]: [] })),
    responses: { '200': { description: 'Success' }, default: { description: 'An error, in the envelope of this API' } },
  };
}

function bodyTypes(schema: object): Record<string, object> {
  return { 'application/json': { schema }, 'application/x-www-form-urlencoded': { schema } };
}
