/** The servers by which a connection finds its way: their credentials expire, so a page that was open for long asks anew. */

import { fetchJson } from "./connection.js";

export class IceServers {
  constructor() {
    /** @type {RTCIceServer[]} */
    this._servers = [];
    /** Until they are told, they have to be asked for. */
    this._until_ms = 0;
  }

  /** @param {Record<string, any>} config as the server tells it */
  take(config) {
    this._servers = config.iceServers;
    this._until_ms = config.iceValidS === null ? Infinity : Date.now() + config.iceValidS * 1_000;
  }

  /** For the connection that is made now; old ones, if the server can't be asked. @returns {Promise<RTCIceServer[]>} */
  async fresh() {
    if (Date.now() > this._until_ms) {
      try {
        this.take(await fetchJson("webrtc/config"));
      } catch {
        // Whether the server is there, the offer will tell.
      }
    }
    return this._servers;
  }
}
