import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sendAnswer, statusAnswer } from '../../../src/dialects/wapbridge/answers/messages.ts';
import { toJsonSchema } from '../../../src/http/json-schema.ts';
import { assertDescribed } from '../../support/answers.ts';
import { type TestGateway, request, rpc, startGateway } from '../gateway.ts';

const send = '/api/method/wap_bridge.api.whatsapp.send_api_message';
const sent = { ok: true, service: { ok: true, id: 'true_255755123456@c.us_3EB0' }, status: 'accepted' };

describe('what the tests hold every answer against', () => {
  it.each([
    ['is missing', { ...sent, status: undefined }, 'status'],
    ['is of another type', { ...sent, service: 'true_255755123456@c.us_3EB0' }, 'service'],
    ['is no such word', { ...sent, status: 'flown' }, 'status'],
    ['is not described', { ...sent, colour: 'red' }, 'colour'],
    ['is a time in other words', { ...sent, send_at: 'Sat Nov 21 2026' }, 'send_at'],
  ])('refuses an answer of which a field %s', (_what, answer, field) => {
    const body = JSON.parse(JSON.stringify({ ...answer, message: answer })) as object;
    expect(() => assertDescribed(send, { status: 200, body })).toThrow(`"${field}"`);
  });

  it('refuses an answer that is not the same under message, and an error without its code', () => {
    expect(() => assertDescribed(send, { status: 200, body: { ...sent, message: sent } })).not.toThrow();
    expect(() => assertDescribed(send, { status: 200, body: { message: sent } })).toThrow('top level');
    expect(() => assertDescribed(send, { status: 417, body: { ok: false, message: 'No' } })).toThrow('"code"');
  });

  it('allows null in the API document wherever it allows it', () => {
    expect(toJsonSchema(statusAnswer, 'output').properties?.acked_at).toMatchObject({ type: ['string', 'null'] });
    const { hold } = toJsonSchema(
      sendAnswer.keys({ hold: sendAnswer.extract('status').allow(null) }),
      'output',
    ).properties!;
    expect(hold).toMatchObject({ type: ['string', 'null'], enum: expect.arrayContaining(['queued', null]) });
  });
});

describe('the API document', () => {
  let gateway: TestGateway;
  beforeEach(async () => void (gateway = await startGateway()));
  afterEach(() => gateway.close());

  it('describes what each method answers, and what it refuses', async () => {
    const { body, text } = await request(`${gateway.url}/openapi/wapbridge.json`);
    const schemas = body.components.schemas as Record<string, { properties?: object; anyOf?: object[] }>;
    const silent = new Set<string>();
    for (const [path, methods] of Object.entries(body.paths as Record<string, Record<string, Operation>>))
      for (const { responses } of Object.values(methods)) {
        expect(responses.default.content['application/json'].schema.$ref).toBe('#/components/schemas/Error');
        const answer = schemas[responses['200'].content['application/json'].schema.$ref.split('/').at(-1)!];
        if (!answer?.properties && !answer?.anyOf) silent.add(path.split('/').at(-1)!);
      }
    expect([...silent]).toEqual(['logout', 'login', 'upload_file']);
    const answer = schemas['post_api_method_wap_bridge_api_whatsapp_send_api_message_answer'];
    expect(answer).toMatchObject({
      required: expect.arrayContaining(['ok', 'service', 'status', 'message']),
      properties: { status: { enum: expect.arrayContaining(['queued']) }, message: { properties: { ok: {} } } },
    });
    expect(schemas.Error?.properties).toMatchObject({ code: { enum: expect.arrayContaining(['invalid_number']) } });
    // Newer gateways may answer with more fields.
    expect(JSON.stringify(schemas)).not.toContain('additionalProperties');
    // All methods of a route share one description.
    expect(text.length).toBeLessThan(400_000);
  });

  it('knows every field of a real answer', async () => {
    const { body } = await rpc(gateway, 'wap_bridge.api.instances.list_instances', {});
    const document = (await request(`${gateway.url}/openapi/wapbridge.json`)).body;
    const { properties } = document.components.schemas['get_api_method_wap_bridge_api_instances_list_instances_answer'];
    expect(Object.keys(properties.instances.items.properties).toSorted()).toEqual(
      Object.keys(body.instances[0]).toSorted(),
    );
  });
});

interface Operation {
  responses: Record<'200' | 'default', { content: { 'application/json': { schema: { $ref: string } } } }>;
}
