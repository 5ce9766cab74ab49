import type { Collection, Emitter, Listener, Model, SandboxPage } from './page.ts';

/** Events, models and collections as WhatsApp Web's own (they descend from Backbone). */
export function defineModels(page: SandboxPage): void {
  class Events {
    #listeners = new Map<string, Listener[]>();

    on(names: string, listener: Listener): this {
      for (const name of names.split(' ')) this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
      return this;
    }

    once(names: string, listener: Listener): this {
      const wrapped: Listener = (...args) => {
        this.off(names, wrapped);
        return listener(...args);
      };
      return this.on(names, wrapped);
    }

    off(names?: string, listener?: Listener): this {
      for (const name of names === undefined ? this.#listeners.keys() : names.split(' ')) {
        const rest = (this.#listeners.get(name) ?? []).filter((other) => listener !== undefined && other !== listener);
        this.#listeners.set(name, rest);
      }
      return this;
    }

    trigger(name: string, ...args: unknown[]): this {
      for (const listener of this.#listeners.get(name) ?? []) {
        try {
          (listener as (...args: unknown[]) => unknown)(...args);
        } catch (error) {
          // One bad listener must not keep the others from hearing it.
          console.error(error);
        }
      }
      return this;
    }
  }

  class ModelImpl extends Events {
    #collections: Emitter[] = [];

    constructor(values: Record<string, unknown>) {
      super();
      Object.assign(this, values);
    }

    /** Collections pass on what happens to their models. */
    joined(collection: Emitter): void {
      this.#collections.push(collection);
    }

    left(collection: Emitter): void {
      this.#collections = this.#collections.filter((other) => other !== collection);
    }

    override trigger(name: string, ...args: unknown[]): this {
      super.trigger(name, ...args);
      for (const collection of this.#collections) collection.trigger(name, ...args);
      return this;
    }

    set(values: Record<string, unknown>): this {
      const self = this as unknown as Record<string, unknown>;
      let changed = false;
      for (const [name, value] of Object.entries(values)) {
        const previous = self[name];
        if (previous === value) continue;
        self[name] = value;
        changed = true;
        this.trigger(`change:${name}`, this, value, previous);
      }
      if (changed) this.trigger('change', this);
      return this;
    }

    hide(values: Record<string, unknown>): this {
      for (const [name, value] of Object.entries(values)) {
        Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: false });
      }
      return this;
    }

    serialize(): Record<string, unknown> {
      return { ...(this as object) };
    }

    toJSON(): Record<string, unknown> {
      return this.serialize();
    }

    /** The real page hands out guarded models; ours need no guard. */
    unsafe(): this {
      return this;
    }

    safe(): this {
      return this;
    }
  }

  class CollectionImpl extends Events {
    #models = new Map<string, ModelImpl & { id?: unknown }>();
    modelClass: new (values: Record<string, unknown>) => ModelImpl;

    constructor(modelClass: new (values: Record<string, unknown>) => ModelImpl) {
      super();
      this.modelClass = modelClass;
    }

    get length(): number {
      return this.#models.size;
    }

    get _models(): unknown[] {
      return this.getModelsArray();
    }

    get(id: unknown): unknown {
      if (id === undefined || id === null) return undefined;
      return this.#models.get(typeof id === 'string' ? id : (id as object).toString());
    }

    /** Gives what is now in the collection under the given ids: a model that is there already stays. */
    add(added: (ModelImpl & { id?: unknown }) | (ModelImpl & { id?: unknown })[]): unknown[] {
      return (Array.isArray(added) ? added : [added]).map((given) => {
        const model = given instanceof ModelImpl ? given : (new this.modelClass(given) as ModelImpl & { id?: unknown });
        const key = String(model.id);
        const known = this.#models.get(key);
        if (known) return known;
        this.#models.set(key, model);
        model.joined(this as unknown as Emitter);
        this.trigger('add', model, this);
        return model;
      });
    }

    /** The same for what came before all others. */
    prepend(added: (ModelImpl & { id?: unknown })[]): unknown[] {
      const others = [...this.#models];
      const result = this.add(added);
      this.#models = new Map([...[...this.#models].slice(others.length), ...others]);
      return result;
    }

    remove(model: ModelImpl & { id?: unknown }): void {
      if (!this.#models.delete(String(model.id))) return;
      this.trigger('remove', model, this);
      model.left(this as unknown as Emitter);
    }

    replaceId(from: unknown, to: unknown): void {
      const model = this.#models.get(String(from));
      if (!model) return;
      this.#models.delete(String(from));
      model.id = to;
      this.#models.set(String(to), model);
    }

    getModelsArray(): unknown[] {
      return [...this.#models.values()];
    }

    forEach(visit: (model: unknown) => void): void {
      for (const model of this.#models.values()) visit(model);
    }

    map<R>(visit: (model: unknown) => R): R[] {
      return this.getModelsArray().map(visit);
    }

    filter(keep: (model: unknown) => boolean): unknown[] {
      return this.getModelsArray().filter(keep);
    }

    some(test: (model: unknown) => boolean): boolean {
      return this.getModelsArray().some(test);
    }

    serialize(): unknown[] {
      return this.map((model) => (model as ModelImpl).serialize());
    }
  }

  page.newEmitter = () => new Events() as unknown as Emitter;
  page.Model = ModelImpl as unknown as SandboxPage['Model'];
  page.newCollection = (modelClass, extra = {}) =>
    Object.assign(
      new CollectionImpl(modelClass as unknown as new (values: Record<string, unknown>) => ModelImpl),
      extra,
    ) as unknown as Collection<never>;
  page.define('WAWebBaseModel', { BaseModel: page.Model as new (values: Record<string, unknown>) => Model });
}
