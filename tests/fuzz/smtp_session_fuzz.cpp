// SPDX-License-Identifier: Apache-2.0
// The session fed by a hostile client: whatever comes, however it is cut, the replies are well
// formed, the same, and the messages are.
#include "fuzz_input.hpp"
#include "smtp_script.hpp"

namespace {

using namespace lsmtpd;

void require_well_formed(std::string_view replies) {
  while (!replies.empty()) {
    const size_t end = replies.find("\r\n");
    fuzz::require(end != std::string_view::npos && end >= 3 && end <= 510);
    const std::string_view line = replies.substr(0, end);
    fuzz::require(line[0] >= '2' && line[0] <= '5');
    for (const char c : line) fuzz::require(c >= ' ' && c <= '~');
    replies.remove_prefix(end + 2);
  }
}

void require_printable(std::string_view text) {
  for (const char c : text) fuzz::require(static_cast<unsigned char>(c) >= ' ' || c == '\t');
}

void require_sound(const test::Stored& stored) {
  fuzz::require(!stored.envelope.recipients.empty());
  fuzz::require(stored.envelope.reverse_path.size() <= 254);
  require_printable(stored.envelope.reverse_path);
  require_printable(stored.envelope.parameters);
  require_printable(stored.envelope.helo);
  for (const message::Recipient& recipient : stored.envelope.recipients) {
    fuzz::require(!recipient.address.empty());
    require_printable(recipient.address);
    require_printable(recipient.parameters);
  }
}

// Refuses some of what the caller is asked, by what the session says of itself alone.
std::optional<smtp::Reply> choose(smtp::Action action, const smtp::Session& session) {
  const message::Envelope& envelope = session.envelope();
  const size_t sum = envelope.helo.size() + envelope.reverse_path.size() * 3 +
                     envelope.recipients.size() * 5 + session.message_octets();
  if (sum % 11 == static_cast<size_t>(action)) return smtp::Reply{451, "4.7.1", "Later"};
  if (sum % 17 == static_cast<size_t>(action)) return smtp::Reply{554, "5.7.1", "No"};
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  GTEST_FLAG_SET(break_on_failure, true);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Input input(data, size);
  smtp::Settings settings = test::test_settings();
  settings.lmtp = input.flag(0);
  settings.normalize_bare_lf = input.flag(1);
  settings.recipients = input.flag(2) ? 2 : 1000;
  settings.errors = input.flag(3) ? 3 : 100;
  settings.commands = input.flag(4) ? 5 : 1000;
  settings.received_headers = 2;
  test::Host host;
  host.size_limit = input.flag(5) ? 64 : 0;
  if (input.flag(6)) host.answer = choose;
  host.xclient = input.flag(7);
  if (input.seed % 2 == 1) {  // the user is "user", the password "secret"
    host.mechanisms = 7;
    host.require_auth = input.seed % 4 == 1;
    host.tls = std::make_shared<const message::Tls>();
    host.users = [](smtp::Credentials& given) {
      return given.password.view() == "secret" ? given.user : std::string();
    };
  }

  const test::Played whole = test::play_whole(settings, host, input.text);
  require_well_formed(whole.replies);
  for (const test::Stored& stored : whole.messages) require_sound(stored);
  const test::Played cut = test::play_random(settings, host, input.text, input.seed);
  fuzz::require(cut.replies == whole.replies && cut.closed == whole.closed);
  fuzz::require(cut.refusals == whole.refusals && cut.messages.size() == whole.messages.size());
  for (size_t i = 0; i < cut.messages.size(); ++i) {
    fuzz::require(cut.messages[i].body == whole.messages[i].body);
    fuzz::require(host.size_limit == 0 || cut.messages[i].body.size() <= host.size_limit);
  }
  return 0;
}
