// What differs between environments. It is read when the page starts, so that one image runs in all of them.

export interface Config {
  environment: string;
}

export function readConfig(value: unknown): Config {
  const environment = (value as Partial<Config> | null)?.environment;
  if (typeof environment !== 'string') {
    throw new Error('/config.json names no environment');
  }
  return { environment };
}

export async function loadConfig(get: typeof fetch = fetch): Promise<Config> {
  const response = await get('/config.json');
  if (!response.ok) {
    throw new Error(`/config.json: ${response.status}`);
  }
  return readConfig(await response.json());
}
