// Wallets of a test's browser: Wallet Standard wallets in the page, whose keys and decisions are here.
import { build } from "esbuild";
import type { BrowserContext } from "playwright-core";
import type { DevKeypair } from "../../../dev/solana/accounts.ts";
import { fromRoot } from "../../../scripts/lib/project.mjs";
import { buildText } from "../../support/login.ts";
import { guarded, planOf, signed } from "../../support/memo.ts";
import { signedBy } from "../../support/wallet.ts";
import type { Described, Said } from "../page/wallets.ts";

export type Feature = "signIn" | "signMessage" | "signTransaction";
type Input = Record<string, unknown>;
type Answer = (input: Input) => Promise<Said>;

export interface TestWallet {
  readonly name: string;
  readonly keys: DevKeypair;
  readonly features: Partial<Record<Feature, Answer>>;
  /** What its account has, where that is not all that most wallets name for theirs. */
  readonly accountFeatures?: readonly Feature[];
}

export interface Asked {
  readonly wallet: string;
  readonly feature: string;
  readonly input: Input;
}

const bytes = (value: unknown): Uint8Array => Buffer.from((value as { base64: string }).base64, "base64");
const tagged = (value: Uint8Array) => ({ base64: Buffer.from(value).toString("base64") });

export const refuse: Answer = async () => ({ error: { message: "User rejected the request.", code: 4001 } });
export const unsupported: Answer = async () => ({ error: { message: "Not supported for hardware accounts" } });

/** Builds the text from the input, as wallets do. */
export const signsIn =
  (keys: DevKeypair): Answer =>
  async (input) => {
    const signedMessage = Buffer.from(buildText(input as Record<string, string>));
    const signature = await keys.sign(signedMessage);
    return { output: { signedMessage: tagged(signedMessage), signature: tagged(signature) } };
  };

export const signsMessages =
  (keys: DevKeypair): Answer =>
  async ({ message }) => {
    const signature = await keys.sign(bytes(message));
    return { output: { signedMessage: message, signature: tagged(signature) } };
  };

/** Signs what it is given, as it is. */
export const signsAsGiven =
  (keys: DevKeypair): Answer =>
  async ({ transaction }) => {
    const signedTransaction = Buffer.from(
      await signedBy(keys, Buffer.from(bytes(transaction)).toString("base64")),
      "base64",
    );
    return { output: { signedTransaction: tagged(signedTransaction) } };
  };

/** Sets fees and guards the balance before it signs, as wallets do. */
export const signsTransactions =
  (keys: DevKeypair): Answer =>
  async ({ transaction }) => {
    const plan = planOf(bytes(transaction));
    const instructions = guarded(plan.payer, ...plan.instructions);
    return { output: { signedTransaction: tagged(await signed({ ...plan, instructions }, keys)) } };
  };

/** Installs them in all pages to come, and returns what they are asked as it happens. */
export async function install(context: BrowserContext, wallets: readonly TestWallet[]): Promise<Asked[]> {
  const asked: Asked[] = [];
  await context.exposeFunction("askWallet", (name: string, feature: Feature, input: Input): Promise<Said> => {
    asked.push({ wallet: name, feature, input });
    const answer = wallets.find((wallet) => wallet.name === name)?.features[feature];
    if (answer === undefined) throw new Error(`${name} has no ${feature}`);
    return answer(input);
  });
  const script = await build({
    entryPoints: [fromRoot("tests/browser/page/wallets.ts")],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2023",
  });
  const described = wallets.map((wallet): Described => {
    const features = Object.keys(wallet.features);
    return {
      name: wallet.name,
      address: wallet.keys.address,
      publicKey: Buffer.from(wallet.keys.publicKey).toString("base64"),
      chains: ["solana:mainnet", "solana:devnet", "solana:localnet"],
      features,
      // `solana:signIn` is the wallet's own.
      accountFeatures: wallet.accountFeatures ?? features.filter((feature) => feature !== "signIn"),
    };
  });
  const [file] = script.outputFiles;
  await context.addInitScript({
    content: `globalThis.describedWallets = ${JSON.stringify(described)};\n${file?.text}`,
  });
  return asked;
}
