// SPDX-License-Identifier: Apache-2.0
#include "server/acceptor.hpp"

#include "log/log.hpp"

namespace lsmtpd::server {

void Acceptor::accept(const std::shared_ptr<const Service>& service,
                      std::unique_ptr<io::TcpStream> stream) {
  const auto& proxies = service->listener.proxy_protocol_from;
  if (!proxies.empty()) {
    const std::string address = stream->peer().address;
    if (address.empty()) return;  // reset already, as layer-4 health checks do
    if (any_contains(proxies, address)) return await_header(service, std::move(stream));
    if (service->listener.tls_by_proxy) return refuse_untrusted_peer(*service, *stream);
  }
  admit(service, std::move(stream), {}, Peers::Kind::client);
}

// All clients of the listener are to come through its proxies, who end TLS.
void Acceptor::refuse_untrusted_peer(const Service& service, const io::Stream& stream) {
  const auto held_back = peers_.refusals.admit(loop_.now_ms());
  if (!held_back) return;
  log::warn("proxy_refused", {{"peer", stream.peer().text()},
                              {"listener", service.listener.name},
                              {"why", "it is not in proxy_protocol_from, and tls is \"proxy\""},
                              {"held_back", *held_back}});
}

// Until its header is there a connection counts among all, and for no peer.
void Acceptor::await_header(const std::shared_ptr<const Service>& service,
                            std::unique_ptr<io::TcpStream> stream) {
  if (!peers_.hold()) {
    refuse(*service, *stream, stream->peer(), nullptr);
    return;
  }
  io::TcpStream& tcp = *stream;
  tcp.limit_reads(ProxyWait::kReadAtOnce);
  auto slot = std::make_shared<ProxyWait*>(nullptr);
  auto wait = std::make_unique<ProxyWait>(
      service, std::move(stream), [this, service, &tcp, slot](ProxyWait::Result result) {
        peers_.leave_unknown();
        const auto ended = proxy_waits_.extract(*slot);
        if (!result.stream) return;
        tcp.limit_reads(io::Loop::kReadBuffer);
        admit(service, std::move(result.stream), std::move(result.origin),
              result.check ? Peers::Kind::proxy : Peers::Kind::client);
      });
  *slot = wait.get();
  proxy_waits_.emplace(*slot, std::move(wait));
  (*slot)->start();
}

void Acceptor::admit(const std::shared_ptr<const Service>& service,
                     std::unique_ptr<io::Stream> stream, Origin origin, Peers::Kind kind) {
  const io::Endpoint address = stream->peer();
  auto [admission, peer] = peers_.enter(address.address, kind);
  if (admission != Peers::Admission::yes) {
    refuse(*service, *stream, address, peer);
    return;
  }
  service->metrics.accepted.add();
  admitted_(service, std::move(stream), std::move(peer), std::move(origin));
}

// `peer`: the one that has too many; null: there are too many in all.
void Acceptor::refuse(const Service& service, io::Stream& stream, const io::Endpoint& address,
                      const std::shared_ptr<Peer>& peer) {
  const auto& reply = peer ? smtp::replies::kTooManyFromPeer : smtp::replies::kTooManyConnections;
  auto& lines = peer ? peer->refusals : peers_.refusals;
  service.metrics.refused.add();
  service.metrics.count_refusal(RefusedAt::connect, code_of(reply),
                                peer ? Reason::connections_per_peer : Reason::connections);
  if (const auto held_back = lines.admit(loop_.now_ms())) {
    log::warn("refused", {{"at", "connect"},
                          {"peer", address.text()},
                          {"listener", service.listener.name},
                          {"code", code_of(reply)},
                          {"why", reason_of(reply)},
                          {"held_back", *held_back}});
  }
  if (service.listener.implicit_tls) return;  // it would not understand a reply in the clear
  smtp::ReplyWriter writer;
  writer.write(reply);
  stream.write(writer.text());
}

void Acceptor::drop_waiting() {
  for (size_t left = proxy_waits_.size(); left > 0; --left) peers_.leave_unknown();
  proxy_waits_.clear();
}

}  // namespace lsmtpd::server
