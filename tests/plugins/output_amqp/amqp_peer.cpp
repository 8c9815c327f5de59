// SPDX-License-Identifier: Apache-2.0
#include "amqp_peer.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <proton/codec.h>
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/ssl.h>
#include <proton/terminus.h>
#include <proton/transport.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <map>
#include <proton/codec/map.hpp>
#include <proton/message.hpp>
#include <proton/message_id.hpp>
#include <proton/value.hpp>

namespace lsmtpd::amqp::test {

struct Peer::Client {
  int fd = -1;
  pn_connection_driver_t driver{};
  bool amqp = false;
  bool gone = false;
  std::size_t raw_sent = 0;
  std::string partial;  // of the delivery that is coming in

  ~Client() {
    ::close(fd);
    if (amqp) pn_connection_driver_destroy(&driver);
  }
};

namespace {

void put(pn_data_t* data, const char* key, const std::string& value) {
  pn_data_put_symbol(data, pn_bytes(std::char_traits<char>::length(key), key));
  pn_data_put_string(data, pn_bytes(value.size(), value.data()));
}

constexpr const char* kManagement = "/management";
constexpr char kAnonymousRelay[] = "ANONYMOUS-RELAY";

std::string text(const char* string) {
  return string == nullptr ? std::string() : std::string(string);
}

std::string printed(pn_data_t* data) {
  char buffer[256];
  std::size_t size = sizeof buffer;
  pn_data_rewind(data);
  return pn_data_format(data, buffer, &size) == 0 ? std::string(buffer, size) : std::string();
}

}  // namespace

Peer::Peer(Script script) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, script_.host.c_str(), &address.sin_addr);
  address.sin_port = htons(script_.port);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof address;
  if (::bind(listener_, raw, length) != 0 || ::listen(listener_, 16) != 0 || ::pipe(wake_) != 0)
    std::abort();
  ::getsockname(listener_, raw, &length);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

Peer::~Peer() {
  stop_ = true;
  post([] {});
  thread_.join();
  clients_.clear();
  ::close(listener_);
  ::close(wake_[0]);
  ::close(wake_[1]);
}

void Peer::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  (void)!::write(wake_[1], "", 1);
}

void Peer::run() {
  while (!stop_) {
    std::vector<pollfd> fds = {{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    for (const auto& client : clients_) {
      const bool pending =
          client->amqp && pn_connection_driver_write_buffer(&client->driver).size != 0;
      const bool deaf = script_.silent;
      fds.push_back(
          {client->fd, static_cast<short>((deaf ? 0 : POLLIN) | (pending ? POLLOUT : 0)), 0});
    }
    ::poll(fds.data(), fds.size(), -1);
    if (fds[1].revents != 0) {
      char byte;
      (void)!::read(wake_[0], &byte, 1);
    }
    std::deque<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
    for (std::size_t i = 0; i < clients_.size() && i + 2 < fds.size(); ++i) {
      if (fds[i + 2].revents != 0 || !tasks.empty()) serve(*clients_[i]);
    }
    std::erase_if(clients_, [this](const auto& client) {
      if (!client->gone) return false;
      const std::lock_guard lock(mutex_);
      held_.clear();  // they are the connection's; tests that drop one settle nothing later
      return true;
    });
    if (fds[0].revents != 0) accept();
  }
}

void Peer::accept() {
  const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
  if (fd < 0) return;
  auto client = std::make_unique<Client>();
  client->fd = fd;
  if (script_.raw.empty() && !script_.silent) {
    client->amqp = true;
    pn_connection_driver_init(&client->driver, nullptr, nullptr);
    pn_transport_t* transport = client->driver.transport;
    pn_transport_set_server(transport);
    pn_transport_require_auth(transport, false);
    if (script_.sessions != 0)
      pn_transport_set_channel_max(transport, static_cast<std::uint16_t>(script_.sessions - 1));
    if (script_.max_frame != 0) pn_transport_set_max_frame(transport, script_.max_frame);
    if (script_.idle_timeout != 0) pn_transport_set_idle_timeout(transport, script_.idle_timeout);
    pn_sasl_allowed_mechs(pn_sasl(transport), "ANONYMOUS");
    if (!script_.certificate.empty()) {
      pn_ssl_domain_t* domain = pn_ssl_domain(PN_SSL_MODE_SERVER);
      pn_ssl_domain_set_credentials(domain, script_.certificate.c_str(), script_.key.c_str(),
                                    nullptr);
      if (!script_.client_ca.empty()) {
        pn_ssl_domain_set_trusted_ca_db(domain, script_.client_ca.c_str());
        pn_ssl_domain_set_peer_authentication(domain, PN_SSL_VERIFY_PEER,
                                              script_.client_ca.c_str());
      }
      pn_ssl_init(pn_ssl(transport), domain, nullptr);
      pn_ssl_domain_free(domain);
    }
    pn_connection_driver_bind(&client->driver);
  }
  clients_.push_back(std::move(client));
  ++connections_;
}

void Peer::serve(Client& client) {
  if (client.gone || script_.silent) return;
  if (!client.amqp) return read_raw(client);
  bool more = true;
  while (more && !client.gone) {
    more = read(client);
    dispatch(client);
    if (client.gone) return;
    more |= write(client);
  }
  if (pn_connection_driver_finished(&client.driver)) client.gone = true;
}

void Peer::read_raw(Client& client) {
  char buffer[4096];
  const ssize_t got = ::recv(client.fd, buffer, sizeof buffer, 0);
  if (got == 0) client.gone = true;
  if (got <= 0) return;
  {
    const std::lock_guard lock(mutex_);
    raw_received_.emplace_back(buffer, static_cast<std::size_t>(got));
  }
  if (client.raw_sent < script_.raw.size()) {
    const std::string& bytes = script_.raw[client.raw_sent++];
    (void)!::send(client.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
}

bool Peer::read(Client& client) {
  const pn_rwbytes_t buffer = pn_connection_driver_read_buffer(&client.driver);
  if (buffer.size == 0) return false;
  const std::size_t room =
      script_.read_size == 0 ? buffer.size : std::min(buffer.size, script_.read_size);
  const ssize_t got = ::recv(client.fd, buffer.start, room, 0);
  if (got > 0) pn_connection_driver_read_done(&client.driver, static_cast<std::size_t>(got));
  frames_ = pn_transport_get_frames_input(client.driver.transport);
  if (got == 0) pn_connection_driver_close(&client.driver);
  return got > 0;
}

bool Peer::write(Client& client) {
  const pn_bytes_t buffer = pn_connection_driver_write_buffer(&client.driver);
  if (buffer.size == 0) return false;
  const std::size_t size =
      script_.write_size == 0 ? buffer.size : std::min(buffer.size, script_.write_size);
  const ssize_t sent = ::send(client.fd, buffer.start, size, MSG_NOSIGNAL);
  if (sent > 0) pn_connection_driver_write_done(&client.driver, static_cast<std::size_t>(sent));
  return sent > 0;
}

void Peer::dispatch(Client& client) {
  pn_event_t* event = nullptr;
  while (!client.gone && (event = pn_connection_driver_next_event(&client.driver)) != nullptr) {
    pn_link_t* link = pn_event_link(event);
    switch (pn_event_type(event)) {
      case PN_CONNECTION_REMOTE_OPEN:
        opened(client);
        break;
      case PN_CONNECTION_REMOTE_CLOSE:
        if (script_.detaches_first) {
          for (pn_link_t* each = pn_link_head(client.driver.connection, 0); each != nullptr;
               each = pn_link_next(each, 0))
            pn_link_close(each);
        }
        if (!script_.ignores_close) pn_connection_close(client.driver.connection);
        break;
      case PN_SESSION_REMOTE_OPEN:
        if (script_.window != 0)
          pn_session_set_incoming_capacity(pn_event_session(event), script_.window);
        pn_session_open(pn_event_session(event));
        break;
      case PN_SESSION_REMOTE_CLOSE:
        pn_session_close(pn_event_session(event));
        // A held delivery belongs to a link of some session.
        if (held() == 0) pn_session_free(pn_event_session(event));
        while (write(client)) {  // its channel is free for the next only then
        }
        break;
      case PN_LINK_FLOW:
        drained_ += static_cast<std::size_t>(pn_link_drained(link));
        break;
      case PN_LINK_REMOTE_OPEN:
        attach(client, link);
        break;
      case PN_LINK_REMOTE_CLOSE:
      case PN_LINK_REMOTE_DETACH:
        pn_link_close(link);
        break;
      case PN_DELIVERY:
        deliver(client, link, pn_event_delivery(event));
        break;
      default:
        break;
    }
  }
}

void Peer::opened(Client& client) {
  pn_connection_t* connection = client.driver.connection;
  pn_data_t* properties = pn_connection_properties(connection);
  pn_data_put_map(properties);
  pn_data_enter(properties);
  put(properties, "product", script_.product);
  put(properties, "version", script_.version);
  if (script_.takes_open_back) {
    constexpr const char* kKey = "amqp:connection-establishment-failed";
    pn_data_put_symbol(properties, pn_bytes(std::char_traits<char>::length(kKey), kKey));
    pn_data_put_bool(properties, true);
  }
  pn_data_exit(properties);
  if (script_.anonymous_terminus) {
    pn_data_t* offered = pn_connection_offered_capabilities(connection);
    pn_data_put_array(offered, false, PN_SYMBOL);
    pn_data_enter(offered);
    pn_data_put_symbol(offered, pn_bytes(sizeof kAnonymousRelay - 1, kAnonymousRelay));
    pn_data_exit(offered);
  }
  pn_connection_set_container(connection, "peer");
  pn_connection_open(connection);
  // Apart: the client may see one without the other.
  while (script_.takes_open_back && write(client)) {
  }
  if (script_.refuse_open.empty()) return;
  pn_condition_set_name(pn_connection_condition(connection), script_.refuse_open.c_str());
  pn_connection_close(connection);
}

void Peer::attach(Client& client, pn_link_t* link) {
  if (text(pn_terminus_get_address(pn_link_remote_target(link))) == kManagement)
    return attach_management(link);
  pn_terminus_t* target = pn_link_remote_target(link);
  pn_connection_t* connection = client.driver.connection;
  Attached record;
  record.name = pn_link_name(link);
  record.address = text(pn_terminus_get_address(target));
  record.has_address = pn_terminus_get_address(target) != nullptr;
  record.hostname = text(pn_connection_remote_hostname(connection));
  record.container = text(pn_connection_remote_container(connection));
  record.durability = pn_terminus_get_durability(target);
  record.capabilities = printed(pn_terminus_capabilities(target));
  record.outcomes = printed(pn_terminus_outcomes(pn_link_remote_source(link)));
  {
    const std::lock_guard lock(mutex_);
    attached_.push_back(record);
  }
  if (script_.ignores_attach) return;
  if (!script_.refuse_attach.empty()) {
    pn_session_t* session = pn_link_session(link);
    pn_condition_t* condition =
        script_.end_session ? pn_session_condition(session) : pn_link_condition(link);
    pn_condition_set_name(condition, script_.refuse_attach.c_str());
    if (script_.end_session) return pn_session_close(session);
    pn_terminus_set_type(pn_link_target(link), PN_UNSPECIFIED);
    pn_link_open(link);
    return pn_link_close(link);
  }
  pn_terminus_copy(pn_link_target(link), target);
  if (script_.durability >= 0)
    pn_terminus_set_durability(pn_link_target(link), pn_durability_t(script_.durability));
  pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
  pn_link_set_max_message_size(link, script_.max_message_size);
  pn_link_open(link);
  if (script_.credit > 0) pn_link_flow(link, script_.credit);
}

void Peer::attach_management(pn_link_t* link) {
  if (script_.queue_type.empty()) {
    pn_condition_set_name(pn_link_condition(link), "amqp:not-found");
    pn_link_open(link);
    return pn_link_close(link);
  }
  pn_terminus_copy(pn_link_target(link), pn_link_remote_target(link));
  pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
  pn_link_open(link);
  if (pn_link_is_receiver(link)) pn_link_flow(link, 10);
}

void Peer::answer_management(Client& client, const std::string& request) {
  proton::message question;
  question.decode(std::vector<char>(request.begin(), request.end()));
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back(question.subject() + " " + question.to());
  }
  if (script_.management_silent) return;
  std::map<std::string, proton::value> arguments;
  if (script_.queue_bounded) arguments["x-max-length"] = 10;
  std::map<std::string, proton::value> body;
  body["type"] = script_.queue_type;
  body["durable"] = true;
  body["arguments"] = arguments;
  proton::message reply;
  reply.subject(script_.queue_status);
  reply.correlation_id(question.id());
  reply.body(body);
  send(client, reply.encode());
}

void Peer::tell(const std::string& id) {
  post([this, id] {
    proton::message message;
    message.correlation_id(id);
    for (const auto& client : clients_) send(*client, message.encode());
  });
}

// On the links of the management: no others send.
void Peer::send(Client& client, const std::vector<char>& bytes) {
  for (pn_link_t* each = pn_link_head(client.driver.connection, PN_LOCAL_ACTIVE); each != nullptr;
       each = pn_link_next(each, PN_LOCAL_ACTIVE)) {
    if (!pn_link_is_sender(each)) continue;
    pn_delivery_t* delivery = pn_delivery(each, pn_dtag("a", 1));
    pn_link_send(each, bytes.data(), bytes.size());
    pn_link_advance(each);
    pn_delivery_settle(delivery);
  }
}

void Peer::deliver(Client& client, pn_link_t* link, pn_delivery_t* delivery) {
  if (!pn_delivery_readable(delivery)) return;
  if (script_.answers_early) return settle(delivery, Answer{});
  char buffer[65536];
  ssize_t got = 0;
  while ((got = pn_link_recv(link, buffer, sizeof buffer)) > 0)
    client.partial.append(buffer, static_cast<std::size_t>(got));
  partial_ = client.partial.size();
  if (pn_delivery_partial(delivery)) return;
  std::string message;
  message.swap(client.partial);
  if (text(pn_terminus_get_address(pn_link_target(link))) == kManagement) {
    pn_link_advance(link);
    return answer_management(client, message);
  }
  std::size_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = messages_.size();
    messages_.push_back(message);
  }
  pn_link_advance(link);
  if (pn_link_credit(link) < script_.credit / 2)
    pn_link_flow(link, script_.credit - pn_link_credit(link));
  const Answer answer = script_.answer ? script_.answer(number, message) : Answer{};
  if (answer.kind == Answer::drop_connection) {
    client.gone = true;
  } else if (answer.kind == Answer::hold) {
    const std::lock_guard lock(mutex_);
    held_.push_back(delivery);
  } else {
    settle(delivery, answer);
  }
}

void Peer::settle(pn_delivery_t* delivery, const Answer& answer) {
  pn_disposition_t* local = pn_delivery_local(delivery);
  if (answer.kind == Answer::reject && !answer.condition.empty()) {
    pn_condition_set_name(pn_disposition_condition(local), answer.condition.c_str());
    pn_condition_set_description(pn_disposition_condition(local), answer.description.c_str());
    pn_data_t* info = pn_condition_info(pn_disposition_condition(local));
    if (!answer.info.empty()) {
      pn_data_put_map(info);
      pn_data_enter(info);
      for (const auto& [key, value] : answer.info) put(info, key.c_str(), value);
      pn_data_exit(info);
    }
  }
  switch (answer.kind) {
    case Answer::accept:
    case Answer::accept_unsettled:
      pn_delivery_update(delivery, PN_ACCEPTED);
      break;
    case Answer::reject:
      pn_delivery_update(delivery, PN_REJECTED);
      break;
    case Answer::release:
      pn_delivery_update(delivery, PN_RELEASED);
      break;
    case Answer::modify:
      pn_delivery_update(delivery, PN_MODIFIED);
      break;
    default:
      break;
  }
  if (answer.kind != Answer::accept_unsettled) pn_delivery_settle(delivery);
}

void Peer::each_link(const std::function<void(pn_link_t*)>& visit) {
  for (const auto& client : clients_) {
    if (!client->amqp) continue;
    for (pn_link_t* link = pn_link_head(client->driver.connection, 0); link != nullptr;
         link = pn_link_next(link, 0)) {
      visit(link);
    }
  }
}

void Peer::change(std::function<void(Script&)> edit) {
  std::promise<void> changed;
  post([&] {
    edit(script_);
    changed.set_value();
  });
  changed.get_future().wait();
}

void Peer::grant(int credit) {
  post([this, credit] { each_link([credit](pn_link_t* link) { pn_link_flow(link, credit); }); });
}

void Peer::drain() {
  post([this] { each_link([](pn_link_t* link) { pn_link_drain(link, 0); }); });
}

void Peer::detach(const std::string& condition, const std::string& description) {
  post([=, this] {
    each_link([&](pn_link_t* link) {
      if (!condition.empty()) pn_condition_set_name(pn_link_condition(link), condition.c_str());
      if (!description.empty())
        pn_condition_set_description(pn_link_condition(link), description.c_str());
      pn_link_close(link);
    });
  });
}

void Peer::close(const std::string& condition) {
  post([=, this] {
    for (const auto& client : clients_) {
      if (!condition.empty())
        pn_condition_set_name(pn_connection_condition(client->driver.connection),
                              condition.c_str());
      pn_connection_close(client->driver.connection);
    }
  });
}

void Peer::drop() {
  post([this] {
    for (const auto& client : clients_) client->gone = true;
  });
}

void Peer::intrude() {
  post([this] {
    for (const auto& client : clients_) {
      pn_session_t* session = pn_session(client->driver.connection);
      pn_session_open(session);
      pn_link_open(pn_sender(session, "unasked"));
    }
  });
}

void Peer::settle_held(Answer answer, std::size_t count) {
  post([=, this] {
    for (std::size_t i = 0; i < count; ++i) {
      pn_delivery_t* delivery = nullptr;
      {
        const std::lock_guard lock(mutex_);
        if (held_.empty()) return;
        delivery = held_.front();
        held_.pop_front();
      }
      settle(delivery, answer);
    }
  });
}

void Peer::send_raw(const std::string& bytes) {
  post([=, this] {
    for (const auto& client : clients_)
      (void)!::send(client->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  });
}

std::vector<std::string> Peer::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::vector<Attached> Peer::attached() const {
  const std::lock_guard lock(mutex_);
  return attached_;
}

std::vector<std::string> Peer::questions() const {
  const std::lock_guard lock(mutex_);
  return questions_;
}

std::vector<std::string> Peer::raw_received() const {
  const std::lock_guard lock(mutex_);
  return raw_received_;
}

std::size_t Peer::held() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

}  // namespace lsmtpd::amqp::test
