// SPDX-License-Identifier: Apache-2.0
// filter_http against the fake host, and a service on the loopback that answers as each test says.
#include <arpa/inet.h>
#include <lsmtpd/testing.h>
#include <netinet/in.h>

#include <string>
#include <thread>

namespace {

int failed = 0;

void expect(bool condition, const char* what, const std::string& got = {}) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s%s%s\n", what, got.empty() ? "" : ": ", got.c_str());
  failed = 1;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Takes one connection, reads one request, sends one answer; an empty answer: none, until the other
// side is gone.
class Service {
 public:
  explicit Service(std::string answer)
      : answer_(std::move(answer)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd_, 1) != 0)
      std::abort();
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/check";
    thread_ = std::thread([this] { serve(); });
  }
  ~Service() { join(); }
  const std::string& url() const { return url_; }
  const std::string& request() {
    join();
    return request_;
  }

 private:
  void join() {
    if (thread_.joinable()) thread_.join();
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  bool complete() const {
    const size_t end = request_.find("\r\n\r\n"), length = request_.find("Content-Length: ");
    return end != std::string::npos && length != std::string::npos &&
           request_.size() >= end + 4 + std::stoul(request_.substr(length + 16));
  }
  void serve() {
    const int client = accept(fd_, nullptr, nullptr);
    char buffer[65536];
    ssize_t count = 1;
    while (!complete() && (count = recv(client, buffer, sizeof buffer, 0)) > 0)
      request_.append(buffer, static_cast<size_t>(count));
    if (answer_.empty())
      while (recv(client, buffer, sizeof buffer, 0) > 0) continue;
    else if (send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0)
      std::abort();
    close(client);
  }

  std::string answer_, url_, request_;
  int fd_;
  std::thread thread_;
};

std::string answer(const std::string& status, const std::string& headers = {},
                   const std::string& body = {}) {
  return "HTTP/1.1 " + status +
         "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

class Host {
 public:
  explicit Host(const std::string& url, const char* timeout = "5s") {
    lsmtpd_test_use(t, &lsmtpd_entry);
    lsmtpd_test_option(t, "url", url.c_str());
    lsmtpd_test_option(t, "timeout", timeout);
    expect(lsmtpd_test_start(t) == 0, "it starts", lsmtpd_test_errors(t));
    lsmtpd_test_real_time(t, 1);
  }
  ~Host() {
    const std::string failures = lsmtpd_test_finish(t);
    expect(failures.empty(), "no rule is broken", failures);
    lsmtpd_test_free(t);
  }
  lsmtpd_test_mail* mail(const std::string& content = "Subject: x\r\n\r\nhi\r\n") {
    return lsmtpd_test_mail_bytes(t, "a@example.org", "b@example.org c@example.org", content.data(),
                                  content.size());
  }
  lsmtpd_test* t = lsmtpd_test_new();
};

void goes_on_with_the_services_headers() {
  Service service(
      answer("200 OK", "lsmtpd-add-header: X-Spam: no\r\nLsmtpd-Add-Header: no colon\r\n"));
  Host host(service.url());
  lsmtpd_test_mail* mail = host.mail();
  mail->envelope.helo = lsmtpd_test_str("evil\r\nX-Injected: yes");
  expect(lsmtpd_test_filter(host.t, mail)->kind == LSMTPD_CONTINUE, "200 lets it go on");
  const std::string edited = lsmtpd_test_mail_content(lsmtpd_test_mail_edited(mail));
  expect(edited == "X-Spam: no\r\nSubject: x\r\n\r\nhi\r\n", "the field is added", edited);
  const std::string request = service.request();
  expect(has(request, "POST /check HTTP/1.1\r\n"), "it is a POST", request);
  expect(has(request, "Lsmtpd-Recipient: <b@example.org>\r\nLsmtpd-Recipient: <c@example.org>\r\n"),
         "recipients", request);
  expect(has(request, "Lsmtpd-Helo: evil??X-Injected: yes\r\n"), "a client cannot add headers",
         request);
  expect(has(request, "\r\n\r\nSubject: x\r\n\r\nhi\r\n"), "the body is the message", request);
}

void sends_a_spilled_message_whole() {
  Service service(answer("204 No Content"));
  Host host(service.url());
  std::string content;
  for (int i = 0; content.size() < 1000000; ++i) content += "line " + std::to_string(i) + "\r\n";
  lsmtpd_test_mail* mail = host.mail(content);
  lsmtpd_test_mail_spill(mail);
  host.t->offload = LSMTPD_TEST_OFFLOAD_THREAD;
  expect(lsmtpd_test_filter(host.t, mail)->kind == LSMTPD_CONTINUE, "204 lets it go on");
  expect(has(service.request(), "\r\n\r\n" + content), "all of it arrived");
}

void refuses_discards_and_tries_later() {
  {
    Service service(answer("403 Forbidden", "", "no spam please\r\nsecond line"));
    Host host(service.url());
    const lsmtpd_test_verdict* verdict = lsmtpd_test_filter(host.t, host.mail());
    expect(verdict->kind == LSMTPD_REJECT && verdict->code == 554, "403 refuses");
    expect(std::string(verdict->text) == "no spam please", "with the first line", verdict->text);
  }
  {
    Service service(answer("202 Accepted"));
    Host host(service.url());
    expect(lsmtpd_test_filter(host.t, host.mail())->kind == LSMTPD_DISCARD, "202 discards");
  }
  Service service(answer("500 Oops"));
  Host host(service.url());
  const lsmtpd_test_verdict* verdict = lsmtpd_test_filter(host.t, host.mail());
  expect(verdict->kind == LSMTPD_TEMPFAIL, "500 is tried later");
  expect(std::string(verdict->detail) == "HTTP 500", "and the log says why", verdict->detail);
}

void gives_up_at_its_timeout_and_when_cancelled() {
  {
    Service silent("");
    Host host(silent.url(), "50ms");
    const lsmtpd_test_verdict* verdict = lsmtpd_test_filter(host.t, host.mail());
    expect(verdict->kind == LSMTPD_TEMPFAIL, "a silent service: tempfail");
    expect(has(verdict->detail, "timed out"), "it says so", verdict->detail);
  }
  Service silent("");
  Host host(silent.url());
  const lsmtpd_call call = lsmtpd_test_ask_filter(host.t, host.mail());
  lsmtpd_test_turn(host.t, 10);
  lsmtpd_test_cancel(host.t, call);
  expect(lsmtpd_test_answer(host.t, call) != nullptr, "a cancelled call is answered at once");
}

void open_questions_end_with_the_lane() {
  Service silent("");
  Host host(silent.url());
  const lsmtpd_call call = lsmtpd_test_ask_filter(host.t, host.mail());
  lsmtpd_test_turn(host.t, 10);
  lsmtpd_test_close_lane(host.t);
  expect(lsmtpd_test_answer(host.t, call) != nullptr, "a closed lane answers what is open");
}

void unreadable_and_unreachable() {
  Host host("http://127.0.0.1:1/");
  expect(lsmtpd_test_filter(host.t, host.mail())->kind == LSMTPD_TEMPFAIL, "no service: tempfail");
  Service service("");
  Host other(service.url());
  lsmtpd_test_mail* mail = other.mail();
  lsmtpd_test_mail_spill(mail);
  other.t->reads_to_fail = -1;
  const lsmtpd_test_verdict* verdict = lsmtpd_test_filter(other.t, mail);
  expect(std::string(verdict->detail) == "cannot read the message", "an I/O error",
         verdict->detail);
}

}  // namespace

int main() {
  goes_on_with_the_services_headers();
  sends_a_spilled_message_whole();
  refuses_discards_and_tries_later();
  gives_up_at_its_timeout_and_when_cancelled();
  open_questions_end_with_the_lane();
  unreadable_and_unreachable();
  return failed;
}
