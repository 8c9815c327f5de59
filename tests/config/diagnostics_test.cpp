// SPDX-License-Identifier: Apache-2.0
// Every mistake an operator can make, with the exact line it is answered with.

#include <gmock/gmock.h>
#include <stdlib.h>

#include "mistakes.hpp"

namespace lsmtpd::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::ElementsAreArray;

TEST_P(Mistakes, AreAllShownWithTheirPlace) {
  EXPECT_THAT(shown(std::string(GetParam().text) + sound_rest),
              ElementsAreArray(GetParam().expected));
}

const Case sections[] = {
    {"UnknownSection",
     "[limit]\nrecipients = 5",
     {"f:1:2: error: unknown section \"limit\"; allowed: admin, chain, limits, listener, log, "
      "plugin, "
      "server, timeouts, tls (did you mean \"limits\"?)"}},
    {"SettingOutsideASection",
     "hostname = \"x\"",
     {"f:1:1: error: unknown section \"hostname\"; allowed: admin, chain, limits, listener, log, "
      "plugin, "
      "server, timeouts, tls"}},
    {"UnknownKey",
     "[server]\nhostnam = \"x\"",
     {"f:2:1: error: unknown key \"hostnam\" in [server]; allowed: hostname, plugin_path, "
      "pool_threads, resolvers, "
      "state_directory, user, workers (did you mean \"hostname\"?)"}},
    {"UnknownKeyWithNothingNear",
     "[log]\ncolour = true",
     {"f:2:1: error: unknown key \"colour\" in [log]; allowed: addresses, file, format, level"}},
    {"UnknownKeyOfAPlugin",
     "[plugin.store-2]\nuse = \"y\"\nfall_back = \"store\"\n[chain.c]\nsteps = [\"store-2\"]\n"
     "[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:3:1: error: unknown key \"fall_back\" in [plugin.store-2]; allowed: deadline, fallback, "
      "on_error, on_timeout, options, use (did you mean \"fallback\"?)"}},
    {"SectionThatIsAValue",
     "limits = 5",
     {"f:1:10: error: limits must be a table, not an integer (write [limits])"}},
    {"PluginWithoutAName",
     "[plugin]\nuse = \"filter_size\"",
     {"f:2:1: error: plugin.use must be a table, not a string (write it below [plugin.NAME])"}},
    {"NameThatCannotBeOne",
     "[chain.\"a b\"]\nsteps = [\"store\"]",
     {"f:1:8: error: \"a b\" cannot be the name of a chain: use up to 64 letters, digits, - and _",
      "f:1:8: warning: chain.a b is not used: no listener has it"}},
    {"NameThatCannotBePrinted",
     "[chain.\"a\tb\"]\nsteps = [\"store\"]\n[plugin.\"c\\nd\"]\nuse = \"y\"",
     {"f:1:8: error: \"a\\x09b\" cannot be the name of a chain: use up to 64 letters, digits, - "
      "and _",
      "f:1:8: warning: chain.a\\x09b is not used: no listener has it",
      "f:3:9: error: \"c\\x0ad\" cannot be the name of a plugin: use up to 64 letters, digits, - "
      "and _",
      "f:3:9: warning: plugin.c\\x0ad is not used: no chain has it as a step"}},
};

const Case types[] = {
    {"StringForInteger",
     "[server]\nworkers = \"two\"",
     {"f:2:11: error: server.workers must be an integer, not a string"}},
    {"IntegerForString",
     "[server]\nuser = 8",
     {"f:2:8: error: server.user must be a string, not an integer"}},
    {"StringForList",
     "[server]\nplugin_path = \"/opt\"",
     {"f:2:15: error: server.plugin_path must be a list of strings, not a string (write "
      "[\"/opt\"])"}},
    {"NumberInAListOfStrings",
     "[server]\nplugin_path = [\"/opt\", 5]",
     {"f:2:24: error: server.plugin_path must be a list of strings, not an integer"}},
    {"NameOfADnsServer",
     "[server]\nresolvers = [\"192.0.2.53\", \"dns.example.org\"]",
     {"f:2:28: error: server.resolvers \"dns.example.org\" is not an address: write ADDRESS or "
      "ADDRESS:PORT, IPv6 with a port in brackets, such as \"192.0.2.53\" or "
      "\"[2001:db8::53]:53\""}},
    {"NulInAString", "[log]\nfile = \"a\\u0000b\"", {"f:2:8: error: log.file contains a NUL"}},
    {"FractionForInteger",
     "[limits]\nrecipients = 100.5",
     {"f:2:14: error: limits.recipients must be an integer, not a number with a fraction"}},
    {"TruthForSize",
     "[limits]\nmemory = true",
     {"f:2:10: error: limits.memory must be a size, not true or false (such as \"10MiB\")"}},
    {"DurationWithoutUnit",
     "[timeouts]\ncommand = 300",
     {"f:2:11: error: timeouts.command must be a duration, not an integer (write \"300s\")"}},
    {"DateForDuration",
     "[timeouts]\ncommand = 12:00:00",
     {"f:2:11: error: timeouts.command must be a duration, not a date (such as \"30s\")"}},
};

const Case values[] = {
    {"SizeInDecimalUnits",
     "[limits]\nmemory = \"64MB\"",
     {"f:2:10: error: limits.memory \"64MB\" is not a size: write a number and B, KiB, MiB, GiB or "
      "TiB, such as \"10MiB\""}},
    {"NegativeSize", "[limits]\nspill = -1", {"f:2:9: error: limits.spill is negative"}},
    {"SizeOfNothing",
     "[limits]\nmessage_size = 0",
     {"f:2:16: error: limits.message_size is 0B; allowed: 1B or more"}},
    {"TooLittleMemory",
     "[limits]\nmemory = \"10KiB\"",
     {"f:2:10: error: limits.memory is 10KiB; allowed: 1MiB or more"}},
    {"DurationInWords",
     "[timeouts]\nchain = \"half a minute\"",
     {"f:2:9: error: timeouts.chain \"half a minute\" is not a duration: write a number and ms, s, "
      "m, h or d, such as \"30s\""}},
    {"DurationOfNothing",
     "[timeouts]\ncommand = \"0s\"",
     {"f:2:11: error: timeouts.command is 0s; allowed: 1s to 30d"}},
    {"DurationOfYears",
     "[timeouts]\nsession = \"999d\"",
     {"f:2:11: error: timeouts.session is 999d; allowed: 0s to 30d"}},
    {"NoRecipients",
     "[limits]\nrecipients = 0",
     {"f:2:14: error: limits.recipients is 0; allowed: 1 to 1000000"}},
    {"IntegerPast32Bits",
     "[limits]\nconnections = 4294967297",
     {"f:2:15: error: limits.connections is 4294967297; allowed: 1 to 1000000"}},
    {"FewRecipients",
     "[limits]\nrecipients = 99",
     {"f:2:14: warning: limits.recipients is less than 100, which every server must take (RFC 5321 "
      "section 4.5.3.1.8)"}},
    {"SmallMessages",
     "[limits]\nmessage_size = \"10KiB\"",
     {"f:2:16: warning: limits.message_size is less than 64KiB, which every server must take (RFC "
      "5321 section 4.5.3.1.7)"}},
    {"MessagesThatFitNowhere",
     "[limits]\nmessage_size = \"2GiB\"",
     {"f:2:16: warning: a message of limits.message_size (2GiB) fits neither limits.memory (48MiB) "
      "nor "
      "limits.spill (1GiB) (raise limits.spill)"}},
    {"MorePerPeerThanInAll",
     "[limits]\nconnections = 50\nconnections_per_peer = 51",
     {"f:3:24: warning: limits.connections_per_peer (51) is above limits.connections (50), so it "
      "has no effect"}},
    {"MoreUnreadRepliesThanMemory",
     "[limits]\nmemory = \"2MiB\"\nunread_replies = \"3MiB\"",
     {"f:3:18: warning: limits.unread_replies (3MiB) is above limits.memory (2MiB), so it has no "
      "effect"}},
    {"TimeoutsPastTheSession",
     "[timeouts]\nsession = \"1m\"\ncommand = \"2m\"\ndata_idle = \"1m\"",
     {"f:3:11: warning: timeouts.command is 2m, but timeouts.session ends first, after 1m",
      "f:4:13: warning: timeouts.data_idle is 1m, but timeouts.session ends first, after 1m"}},
    {"GreetDelayPastTheSession",
     "[[listener]]\nname = \"a\"\naddress = \"*:0\"\ngreet_delay = \"20s\"\n[timeouts]\nsession = "
     "\"10s\"",
     {"f:4:15: warning: the greet_delay of listener \"a\" is 20s, but timeouts.session ends first, "
      "after 10s"}},
    {"FewConnectionsAloneAreFine", "[limits]\nconnections = 50", {}},
    {"WordThatIsNotAllowed",
     "[log]\nlevel = \"warning\"\nformat = \"jsn\"",
     {"f:2:9: error: log.level is \"warning\"; allowed: \"trace\", \"debug\", \"info\", \"warn\", "
      "\"error\", \"off\"",
      "f:3:10: error: log.format is \"jsn\"; allowed: \"text\", \"json\" (did you mean "
      "\"json\"?)"}},
    {"HostnameThatIsNone",
     "[server]\nhostname = \"mx\\r\\n250\"",
     {"f:2:12: error: server.hostname is \"mx\\x0d\\x0a250\", which is neither a domain nor an "
      "address literal (such as \"mx.example.com\")"}},
};

const Case listeners[] = {
    {"WithoutAddress",
     "[[listener]]\nname = \"a\"",
     {"f:1:1: error: [[listener]] needs \"address\" (such as address = \"127.0.0.1:2525\")"}},
    {"AddressWithoutPort",
     "[[listener]]\naddress = \"127.0.0.1\"",
     {"f:2:11: error: listener.address is \"127.0.0.1\": the port is missing, such as :2525"}},
    {"UnixSocket",
     "[[listener]]\naddress = \"unix:/run/x\"",
     {"f:2:11: error: listener \"listener-1\" is a Unix socket, which is for LMTP only (set "
      "protocol "
      "= \"lmtp\")"}},
    {"AdminModeThatIsNone",
     "[admin]\nsocket = \"/run/x\"\nmode = \"0o660\"",
     {"f:3:8: error: admin.mode is \"0o660\", which is no mode of a file (octal digits, such as "
      "\"0660\")"}},
    {"AdminAddressWithoutAPort",
     "[admin]\nhttp = \"127.0.0.1\"",
     {"f:2:8: error: admin.http is \"127.0.0.1\": the port is missing, such as :2525 (HOST:PORT, "
      "such "
      "as \"127.0.0.1:9925\")"}},
    {"TraceparentFromWithoutTraceparent",
     "[[listener]]\naddress = \"*:0\"\nname = \"a\"\ntraceparent_from = [\"10.0.0.0/8\"]",
     {"f:4:20: warning: traceparent_from of listener \"a\" has no effect: traceparent is false "
      "(set "
      "traceparent = true)"}},
    {"AdminTokenThatNobodyAsksFor",
     "[admin]\nsocket = \"/run/x\"\ntoken_file = \"/t\"",
     {"f:3:14: warning: admin.token_file has no effect without admin.http"}},
    {"WordsThatAreNotAllowed",
     "[[listener]]\naddress = \"*:0\"\nprotocol = \"smpt\"\nbare_lf = \"accept\"",
     {"f:3:12: error: listener.protocol is \"smpt\"; allowed: \"smtp\", \"lmtp\" (did you mean "
      "\"smtp\"?)",
      "f:4:11: error: listener.bare_lf is \"accept\"; allowed: \"reject\", \"normalize\""}},
    {"TwoOfOneName",
     "[[listener]]\nname = \"a\"\naddress = \"*:0\"\n[[listener]]\nname = \"a\"\naddress = \"*:0\"",
     {"f:4:1: error: two listeners are named \"a\""}},
    {"TwoOfOneAddress",
     "[[listener]]\nname = \"a\"\naddress = \"*:25\"\n[[listener]]\nname = \"b\"\naddress = "
     "\"[::]:25\"",
     {"f:6:11: error: listener \"b\" has the address of listener \"a\""}},
    {"NameThatCannotBeOne",
     "[[listener]]\nname = \"a b\"\naddress = \"*:0\"",
     {"f:2:8: error: listener.name is \"a b\": use up to 64 letters, digits, - and _"}},
    {"NameThatCannotBeOneIsNotUsedInWhatFollows",
     "[[listener]]\nname = \"a\"\naddress = \"*:25\"\n[[listener]]\nname = \"b\\u001b\"\naddress = "
     "\"*:25\"",
     {"f:5:8: error: listener.name is \"b\\x1b\": use up to 64 letters, digits, - and _",
      "f:6:11: error: listener \"listener-2\" has the address of listener \"a\""}},
    {"LmtpOnTheSmtpPort",
     "[[listener]]\naddress = \"*:25\"\nprotocol = \"lmtp\"",
     {"f:2:11: warning: LMTP must not be on port 25 (RFC 2033 section 5)"}},
    {"GreetDelayPastTheTimeoutOfClients",
     "[[listener]]\naddress = \"*:0\"\ngreet_delay = \"10m\"",
     {"f:3:15: error: listener.greet_delay is 10m; allowed: 0s to 5m"}},
    {"ChainThatDoesNotExist",
     "[[listener]]\naddress = \"*:0\"\nchain = \"defualt\"\n[[listener]]\naddress = \"*:0\"\nchain "
     "= "
     "\"bulk\"",
     {"f:3:9: error: the chain \"defualt\" of listener \"listener-1\" does not exist (did you mean "
      "\"default\"?)",
      "f:6:9: error: the chain \"bulk\" of listener \"listener-2\" does not exist (add "
      "[chain.bulk] "
      "with its steps)"}},
    {"ChainThatIsNoName",
     "[[listener]]\naddress = \"*:0\"\nchain = \"a\\u001b\"",
     {"f:3:9: error: the chain \"a\\x1b\" of listener \"listener-1\" does not exist"}},
};

const Case substitutions[] = {
    {"UnsetVariable",
     "[log]\nfile = \"${LSMTPD_TEST_UNSET}/log\"",
     {"f:2:8: error: the environment variable LSMTPD_TEST_UNSET is not set"}},
    {"InsideAnOption",
     "[plugin.x]\nuse = \"y\"\noptions = { a = [ { b = \"${LSMTPD_TEST_UNSET}\" } ] }\n[chain.c]\n"
     "steps = [\"x\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:3:25: error: the environment variable LSMTPD_TEST_UNSET is not set"}},
    {"ABrokenValueIsNotBlamedTwice",
     "[limits]\nmemory = \"${\"",
     {"f:2:10: error: ${ without }: write $${ for a literal ${"}},
};

const Case syntax[] = {
    {"OnlyTheFirstIsKnown",
     "[server]\nhostname = mx\nworkers = = 5",
     {"f:2:12: error: Error while parsing value: could not determine value type"}},
    {"KeyTwice",
     "[server]\nworkers = 1\nworkers = 2",
     {"f:3:11: error: Error while parsing key-value pair: cannot redefine existing integer "
      "'workers'"}},
    {"HeaderThatHasNoName",
     "[.]",
     {"f:1:2: error: Error while parsing key: expected bare key starting character or string "
      "delimiter, saw '.'"}},
    {"InvalidUtf8",
     "[server]\nhostname = \"\xff\"",
     {"f:2:12: error: Encountered invalid utf-8 sequence"}},
};

INSTANTIATE_TEST_SUITE_P(Sections, Mistakes, testing::ValuesIn(sections), name_of_case);
INSTANTIATE_TEST_SUITE_P(Types, Mistakes, testing::ValuesIn(types), name_of_case);
INSTANTIATE_TEST_SUITE_P(Values, Mistakes, testing::ValuesIn(values), name_of_case);
INSTANTIATE_TEST_SUITE_P(Listeners, Mistakes, testing::ValuesIn(listeners), name_of_case);
INSTANTIATE_TEST_SUITE_P(Substitution, Mistakes, testing::ValuesIn(substitutions), name_of_case);
INSTANTIATE_TEST_SUITE_P(Syntax, Mistakes, testing::ValuesIn(syntax), name_of_case);

std::string repeated(const std::string& piece, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += piece;
  return text;
}

// Each of them ended the process by exhausting its stack.
TEST(Nesting, OfManyPartsInAKeyIsAnError) {
  const std::string many = repeated("a.", 20'000) + "a";
  const auto* expected = ": error: a key has more than 32 parts (no setting needs that)";
  EXPECT_THAT(shown("[" + many + "]"), ElementsAre(std::string("f:1:65") + expected));
  EXPECT_THAT(shown("[[" + many + "]]"), ElementsAre(std::string("f:1:66") + expected));
  EXPECT_THAT(shown("[server]\n" + many + " = 1"), ElementsAre(std::string("f:2:64") + expected));
  EXPECT_THAT(shown("x = {" + many + " = 1}"), ElementsAre(std::string("f:1:69") + expected));
  EXPECT_THAT(shown(repeated("\"a.b\" . ", 20'000) + "a = 1"),
              ElementsAre(testing::HasSubstr(expected)));
}

TEST(Nesting, OfTablesAndListsIsAnError) {
  const auto* expected =
      ": error: tables or lists are nested more than 32 deep (no setting needs that)";
  EXPECT_THAT(shown("x = " + repeated("{a = ", 20'000) + "1" + repeated("}", 20'000)),
              ElementsAre(testing::HasSubstr(expected)));
  EXPECT_THAT(shown("x = " + repeated("[", 20'000) + repeated("]", 20'000)),
              ElementsAre(std::string("f:1:37") + expected));
  EXPECT_THAT(shown("x = [" + repeated("\n[", 20'000) + repeated("]", 20'000) + "]"),
              ElementsAre(std::string("f:33:1") + expected));
}

TEST(Nesting, WithinTheLimitIsRead) {
  const std::string parts = repeated("a.", 31) + "a", deep = repeated("[", 31) + repeated("]", 31);
  const std::string text = "[plugin.x]\nuse = \"y\"\n[plugin.x.options]\n" + parts + " = " + deep +
                           "\ndots = \"" + repeated(".", 100) + "\" # " + repeated("[.", 100) +
                           "\nlist = [" + repeated("1.5, [2.5],\n", 100) +
                           "]\n[chain.c]\nsteps = [\"x\"]\n[[listener]]\naddress = \"*:0\"\n"
                           "chain = \"c\"";
  EXPECT_THAT(shown(text + sound_rest), ElementsAre());
}

TEST(Diagnostics, AnEmptyFileSaysHowToBegin) {
  EXPECT_THAT(shown(""), ElementsAre("f: error: no [[listener]]: there is nothing to serve (add "
                                     "[[listener]] with address = \"127.0.0.1:2525\")"));
}

TEST(Diagnostics, ASingleListenerTableIsReadAndCorrected) {
  EXPECT_THAT(
      shown("[listener]\nadress = \"x\"\naddress = \"*:0\"\n[plugin.store]\nuse = \"s\"\n"
            "[chain.default]\nsteps = [\"store\"]"),
      ElementsAre(
          "f:1:1: error: listener must be a list of tables, not a table (write "
          "[[listener]])",
          testing::AllOf(
              testing::StartsWith(
                  "f:2:1: error: unknown key \"adress\" in [[listener]]; allowed: address, "),
              testing::EndsWith(" (did you mean \"address\"?)"))));
}

TEST(Diagnostics, AListenerMustBeATable) {
  EXPECT_THAT(shown("listener = 5"),
              Contains("f:1:12: error: listener must be a list of tables, not an integer (write "
                       "[[listener]])"));
  EXPECT_THAT(shown("listener = [5]"),
              Contains("f:1:13: error: listener must be a list of tables, not of an integer (write "
                       "[[listener]])"));
}

TEST(Diagnostics, TheDefaultChainMustExist) {
  EXPECT_THAT(shown("[[listener]]\naddress = \"*:0\""),
              ElementsAre("f:1:1: error: the chain \"default\" of listener \"listener-1\" does not "
                          "exist (add [chain.default] with its steps)"));
}

TEST(Diagnostics, WarningsAloneDoNotStopAnything) {
  const Loaded loaded = load_text(std::string("[limits]\nrecipients = 50\n") + sound_rest, "f");
  EXPECT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_TRUE(loaded.ok());
  EXPECT_FALSE(load_text("[limits]", "f").ok());
}

TEST(Diagnostics, ANetworkOfEveryProxyIsDoubtful) {
  const auto found = shown(
      "[plugin.store]\nuse = \"s\"\n[chain.default]\nsteps = [\"store\"]\n[[listener]]\n"
      "address = \"*:0\"\nproxy_protocol_from = [\"10.0.0.0/8\", \"::/0\"]\n");
  EXPECT_THAT(
      found,
      ElementsAre("f:7:23: warning: proxy_protocol_from of listener \"listener-1\" has every "
                  "address: any client can name another's as its own (list the networks of "
                  "the proxies only)"));
}

TEST(Diagnostics, TextFromTheFileIsEscaped) {
  EXPECT_THAT(shown(std::string("[\"a\\u001b[2J\"]\n") + sound_rest),
              Contains(testing::HasSubstr("unknown section \"a\\x1b[2J\"")));
}

}  // namespace
}  // namespace lsmtpd::config
