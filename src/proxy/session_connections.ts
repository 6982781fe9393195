import type { NatEntry } from "../nat/nat_table.ts";
import { close, type Connection, type TcpConnection } from "../platform/net.ts";
import { connectFailureOf } from "./connect_failure.ts";
import type { SessionContext } from "./session_context.ts";
import type { PortStatistics } from "./statistics.ts";

/** With what the connections of a session are opened. */
type OpeningContext = Pick<
  SessionContext,
  "keepAlive" | "balancers" | "tlsAcceptor" | "dialer" | "login" | "statistics"
>;

/**
 * The connection of a session to its client, and then the one to its node. This object owns both:
 * it opens them one after the other, and closes them together.
 *
 * ```
 *   openClient:    accepted ─▶ PROXY header ─▶ TLS      where these are expected
 *   openUpstream:  dial ─▶ TLS ─▶ log in (--login)
 * ```
 */
export class SessionConnections {
  /** The accepted connection, that after the header of a load balancer, or TLS over it. */
  #client: Connection;
  #upstream: Connection | undefined;
  /** Aborts the attempt to connect to the node, while there is one. */
  #dialing: AbortController | undefined;
  #areClosed = false;

  /** @param client an accepted connection, which is owned from now on */
  constructor(client: TcpConnection) {
    this.#client = client;
  }

  get client(): Connection {
    return this.#client;
  }

  /** Undefined until the node has accepted it. */
  get upstream(): Connection | undefined {
    return this.#upstream;
  }

  get areClosed(): boolean {
    return this.#areClosed;
  }

  /** Closes both at once, and aborts what is being opened; a second call does nothing. */
  close(): void {
    if (this.#areClosed) return;
    this.#areClosed = true;
    this.#dialing?.abort();
    close(this.#client);
    if (this.#upstream !== undefined) close(this.#upstream);
  }

  /**
   * Brings the client's connection to where RESP begins.
   *
   * @param identified is called once it is known who the client is, with its address
   * @throws {ProxyHeaderError}, {TlsError}, or the error of a connection that is lost or closed
   */
  async openClient(
    { keepAlive, balancers, tlsAcceptor }: OpeningContext,
    identified: (address: Deno.NetAddr) => void,
  ): Promise<void> {
    const tcp = this.#client as TcpConnection;
    tcp.setNoDelay(true);
    tcp.setKeepAlive(keepAlive);
    if (balancers !== undefined) {
      this.#client = await balancers.accept(tcp);
      identified(this.#client.remoteAddr);
    }
    if (tlsAcceptor === undefined || this.#areClosed) return;
    const secured = await tlsAcceptor.accept(this.#client);
    if (this.#areClosed) close(secured);
    else this.#client = secured;
  }

  /**
   * Connects to the node, and logs the client in there; undefined if `close` is called meanwhile.
   *
   * @param port counts how long it took, or why it failed
   * @throws {LoginRefusedError} if the proxy cannot log the client in; then the connection is open
   * @throws other errors if the node does not answer
   */
  async openUpstream(
    { address }: Pick<NatEntry, "address">,
    port: PortStatistics,
    context: OpeningContext,
  ): Promise<Connection | undefined> {
    try {
      const upstream = await this.#dial(address, port, context);
      if (this.#areClosed) {
        close(upstream);
        return undefined;
      }
      this.#upstream = upstream;
      await context.login?.logIn(upstream, address);
      return this.#areClosed ? undefined : upstream;
    } catch (error) {
      if (this.#areClosed) return undefined;
      throw error;
    } finally {
      this.#dialing = undefined;
    }
  }

  async #dial(
    address: NatEntry["address"],
    port: PortStatistics,
    { dialer, statistics }: OpeningContext,
  ): Promise<Connection> {
    const startedAtMs = performance.now();
    try {
      this.#dialing = new AbortController();
      const upstream = await dialer.dial(address, this.#dialing);
      statistics.connected(port, (performance.now() - startedAtMs) / 1000);
      return upstream;
    } catch (error) {
      if (!this.#areClosed) port.connectFailures[connectFailureOf(error)]++;
      throw error;
    }
  }
}
