/** Where a database is, and which engine speaks for it. */
export type DatabaseUrl =
  | { readonly engine: "sqlite"; readonly path: string }
  | {
      readonly engine: "mysql";
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly password: string;
      readonly database: string;
    };

/**
 * Reads `sqlite:PATH` (relative to the working directory, or absolute) or `mysql://USER:PASSWORD@HOST:PORT/DATABASE`
 * (port 3306 unless given; user and password percent-encoded where they must be).
 * Throws an `Error` that says what is wrong, and never repeats a password.
 */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const expected = "expected sqlite:PATH or mysql://USER:PASSWORD@HOST:PORT/DATABASE";
  if (text.startsWith("sqlite:")) {
    const path = text.slice("sqlite:".length);
    if (path === "" || path.startsWith("//")) throw new Error(`a sqlite URL must name a file; ${expected}`);
    return { engine: "sqlite", path };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "mysql:") throw new Error(`not a database URL; ${expected}`);
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw new Error(`a mysql URL's parts must be percent-encoded (% itself is %25); ${expected}`);
    }
  };
  const database = decode(url.pathname.slice(1));
  if (url.hostname === "" || url.username === "" || database === "" || database.includes("/"))
    throw new Error(`a mysql URL must name user, host and database; ${expected}`);
  if (url.search !== "") throw new Error(`a mysql URL takes no options after "?"; ${expected}`);
  return {
    engine: "mysql",
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 3306 : Number(url.port),
    user: decode(url.username),
    password: decode(url.password),
    database,
  };
}
