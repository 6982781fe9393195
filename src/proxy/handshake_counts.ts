import type { Connection, TlsAcceptor, TlsConnector } from "../platform/net.ts";
import type { HandshakeStatistics, Statistics } from "./statistics.ts";

/** Counts the handshakes of an acceptor, if there is one. */
export function countingAcceptor(
  acceptor: TlsAcceptor | undefined,
  { handshakes }: Pick<Statistics, "handshakes">,
): TlsAcceptor | undefined {
  return acceptor && {
    accept: (connection) => counted(acceptor.accept(connection), handshakes.client),
  };
}

/** Counts the handshakes of a connector, if there is one. */
export function countingConnector(
  connector: TlsConnector | undefined,
  { handshakes }: Pick<Statistics, "handshakes">,
): TlsConnector | undefined {
  return connector && {
    connect: (...target) => counted(connector.connect(...target), handshakes.node),
  };
}

async function counted(
  handshake: Promise<Connection>,
  statistics: HandshakeStatistics,
): Promise<Connection> {
  try {
    const secured = await handshake;
    statistics.succeeded++;
    return secured;
  } catch (error) {
    statistics.failed++;
    throw error;
  }
}
