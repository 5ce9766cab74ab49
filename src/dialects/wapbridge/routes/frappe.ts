import Joi from 'joi';
import { type Method, type Route, route } from '../../../http/route.ts';
import { GatewayError } from '../../../model/errors.ts';

const path = '/api/method';
const any: Method[] = ['GET', 'POST', 'PUT', 'DELETE'];
const nothing = Joi.object<object, true>({});

/** Frappe's own methods that its clients call on every site: ping, version, the token test, and clean refusals of the rest. */
export function frappeRoutes({ version }: { version: string }): Route[] {
  const ping = (name: string) =>
    route({
      method: any,
      path: `${path}/${name}`,
      summary: 'Answers pong',
      auth: 'guest',
      scope: 'send',
      safe: true,
      body: nothing,
      answer: Joi.valid('pong'),
      handle: () => 'pong',
    });
  const versionOf = (name: string) =>
    route({
      method: any,
      path: `${path}/${name}`,
      summary: 'Tells the version of the gateway',
      auth: 'guest',
      scope: 'send',
      safe: true,
      body: nothing,
      answer: Joi.string(),
      handle: () => version,
    });

  return [
    ...['ping', 'frappe.ping', 'frappe.handler.ping'].map(ping),
    ...['version', 'frappe.handler.version'].map(versionOf),
    route({
      method: any,
      path: `${path}/frappe.auth.get_logged_user`,
      summary: 'Tells whose token this is: the usual test of credentials',
      scope: 'send',
      safe: true,
      body: nothing,
      answer: Joi.string().example('CUST-0143'),
      handle: ({ caller }) => caller.accountId,
    }),
    route({
      method: any,
      path: `${path}/logout`,
      summary: 'Does nothing, as there is no session; tokens are revoked in the settings',
      scope: 'full',
      safe: true,
      body: nothing,
      answer: null,
      handle: () => null,
    }),
    route({
      method: ['POST', 'GET', 'PUT'],
      path: `${path}/login`,
      summary: 'Refuses: there are no passwords here, only tokens',
      auth: 'guest',
      scope: 'send',
      body: nothing,
      answer: null,
      handle() {
        throw new GatewayError(
          'forbidden',
          'There is no login with a password here: send the header Authorization: token <API_KEY>:<API_SECRET>',
        );
      },
    }),
    route({
      method: ['POST', 'PUT'],
      path: `${path}/upload_file`,
      summary: 'Refuses: files go with the message that carries them',
      scope: 'full',
      body: nothing,
      answer: null,
      handle() {
        throw new GatewayError(
          'invalid_input',
          'There is no file store here: give the file to wap_bridge.api.whatsapp.send_api_message as media_data, media_url or file',
        );
      },
    }),
  ];
}
