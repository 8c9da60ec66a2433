// Asks the test, before each thing that can go wrong, how it is to go wrong. The answer may be long in coming: that holds it.

/** By `kind`, what is done in place of the right thing; without one, that. */
export interface Order {
  kind?: string;
  /** Of another object in R2. */
  key?: string;
  /** It concerns these objects alone. */
  only?: string;
  delayMs?: number;
}

export class Orders {
  readonly #url: string;
  readonly #object: string;

  constructor(url: string, object: string) {
    this.#url = url;
    this.#object = object;
  }

  /** Ends when the object is to go. */
  async leave(): Promise<void> {
    await this.#send("evict");
  }

  /** `of` is the object in R2 that it is about. */
  async ask(what: string, of = ""): Promise<Order> {
    const order = (await (await this.#send(of ? `${what}?${of}` : what)).json()) as Order;
    if (order.delayMs) await new Promise((done) => setTimeout(done, order.delayMs));
    return order;
  }

  #send(what: string): Promise<Response> {
    return fetch(`${this.#url}/${this.#object}/${what}`, { method: "POST" });
  }
}
