import type { OptOutWords } from '../../model/campaign.ts';

/**
 * The words that opt out and in unless an account has its own. English as carriers in the US require (CTIA), then what people
 * write elsewhere; only words that nobody sends for another reason as a whole message.
 */
export const defaultOptOutWords: OptOutWords = {
  stop: [
    ['stop', 'stopall', 'stop all', 'unsubscribe', 'cancel', 'end', 'quit', 'opt out', 'optout', 'remove me'], // English
    ['acha', 'sitisha', 'simamisha', 'ondoa', 'jitoe'], // Swahili
    ['baja', 'alto', 'parar', 'cancelar', 'dar de baja', 'no más'], // Spanish
    ['sair', 'pare', 'descadastrar', 'remover'], // Portuguese
    ['arret', 'arrêt', 'arrêter', 'désabonner', 'se désabonner', 'stopper'], // French
    ['stopp', 'abmelden', 'abbestellen', 'austragen'], // German
    ['basta', 'ferma', 'annulla', 'cancellami', 'disiscrivi'], // Italian
    ['afmelden', 'uitschrijven'], // Dutch
    ['berhenti', 'batal'], // Indonesian, Malay
    ['dur', 'iptal', 'çık', 'ayrıl'], // Turkish
    ['стоп', 'отписаться', 'отписка'], // Russian
    ['توقف', 'قف', 'إلغاء', 'الغاء', 'إلغاء الاشتراك'], // Arabic
    ['बंद', 'रोकें', 'रुको', 'band karo'], // Hindi
    ['বন্ধ'], // Bengali
    ['بند'], // Urdu
    ['停止', '退订', '退訂', '取消订阅'], // Chinese
  ].flat(),
  start: [
    ['start', 'unstop', 'subscribe', 'opt in', 'optin', 'resume'],
    ['anza', 'jiunge', 'endelea'],
    ['alta', 'iniciar', 'empezar', 'suscribir'],
    ['voltar', 'entrar', 'assinar'],
    ['démarrer', 'reprendre', "s'abonner"],
    ['anmelden', 'starten', 'inizia', 'aanmelden', 'mulai', 'mula', 'başla'],
    ['старт', 'подписаться', 'ابدأ', 'اشتراك', 'शुरू', 'শুরু', '开始', '開始', '订阅'],
  ].flat(),
  confirmation: 'You will get no more such messages from us. Reply START to get them again.',
};

/** No such message is longer; what is longer is a person who explains something. */
const maxLength = 40;

/** What a message as a whole asks for. */
export type WordReader = (body: string) => 'stop' | 'start' | null;

/**
 * Returns a reader of what messages ask for as a whole. Case, accents, punctuation, emoji and spaces around do not count: `Stop!!` and
 * `*STOP*` are `stop`, `please stop by tomorrow` is neither.
 */
export function createWordReader(words: Pick<OptOutWords, 'stop' | 'start'>): WordReader {
  const stop = new Set(words.stop.map(plain));
  const start = new Set(words.start.map(plain));
  return (body) => {
    if (body.length > maxLength * 2) return null;
    const said = plain(body);
    if (said === '' || said.length > maxLength) return null;
    if (stop.has(said)) return 'stop';
    return start.has(said) ? 'start' : null;
  };
}

/** Lower case without accents of Latin and Greek letters; letters and digits of every script, single spaces. */
function plain(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/(?<=[\p{sc=Latin}\p{sc=Greek}])\p{Mn}+/gu, '')
    .normalize('NFKC')
    .toLowerCase()
    .replace(/ı/g, 'i')
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim();
}
