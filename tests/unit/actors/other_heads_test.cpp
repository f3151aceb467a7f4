// Calls about jobs of other heads: read from the store, or asked of the owner; and what other heads
// ask of this one.
#include "messages/head_calls.hpp"
#include "runtime/core/request_fingerprint.hpp"
#include "tests/unit/actors/held_store.hpp"
#include "tests/unit/actors/ingress_script.hpp"
#include "tests/unit/actors/shared_stand_in.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <optional>
#include <string>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using texts = std::vector<std::string>;

struct heads_script : ingress_script {
  heads_script() {
    store_there.with_others = &shared;
    tested = system.spawn<runpod_ingress>(pod_context{shared_world, knobs});
    directory.ingress = tested;
    start();
    messages();
  }
  ~heads_script() {
    caf::anon_send_exit(tested, caf::exit_reason::kill);
    settle();
    tested = ingress_actor{};
  }

  store::job_row row(const std::string& job, job_state as) const {
    store::job_row out;
    out.order = 7;
    out.id = id(job);
    out.request.endpoint = "tayfa";
    out.request.policy.tenant = "theirs";
    out.submitted = time.now();
    out.state = as;
    if (is_final(as)) {
      out.attempts = 1;
      out.ended = time.now();
    }
    if (as == job_state::COMPLETED) {
      out.output = shared_text{"42"};
      out.output_bytes = 2;
    }
    return out;
  }
  /// Another head has the job.
  void has(const std::string& job, job_state as, bool lives = true) {
    shared.jobs[job] = {.owner = {.number = 3, .name = "other", .lives = lives},
                        .row = row(job, as)};
  }
  /// This head's queue does not know the job.
  void not_here() { queue_says(job_answer{fail(errc::job_not_found)}); }
  client_ptr status(const std::string& job, std::optional<std::string> tenant = {}) {
    api::status call;
    call.ask.id = id(job);
    call.ask.who.tenant = std::move(tenant);
    auto client = calls(std::move(call));
    not_here();
    return client;
  }
  client_ptr cancel(const std::string& job) {
    auto client = calls(cancel_job{job_access{{"tayfa"}, "theirs"}, id(job)});
    not_here();
    return client;
  }
  head_calls::call asked() {
    settle();
    const auto last = head_calls::decode_call(shared.calls.back().body);
    EXPECT_TRUE(last) << "an owner is asked in words that it reads";
    return last.value_or(head_calls::call{});
  }
  /// The owner answers the oldest call.
  void owner_says(result<std::string> answer) {
    auto call = std::move(shared.calls.front());
    shared.calls.pop_front();
    call.done(std::move(answer));
    settle();
  }
  static std::string answer(std::uint16_t status, std::string body, std::uint64_t receipt = 0,
                            std::uint64_t number = 0) {
    head_calls::answer out;
    out.status = status;
    out.body = shared_text{std::move(body)};
    out.receipt = receipt;
    out.number = number;
    return head_calls::encode(out);
  }
  /// Another head's call, and what it is answered.
  std::shared_ptr<std::string> called(head_calls::call what, milliseconds left = 5s) {
    auto out = std::make_shared<std::string>();
    shared.server({.body = head_calls::encode(what),
                   .left = left,
                   .answer = [out](std::string text) { *out = std::move(text); }});
    settle();
    return out;
  }

  held_store store_there;
  shared_stand_in shared;
  world shared_world{time,  random, secrets,     log,  meters, engines, http,
                     probe, models, store_there, post, feed,   platform};
};

bool says(const client_ptr& client, const std::string& part) {
  return client->text().find(part) != std::string::npos;
}

// ---- what is read ------------------------------------------------------------------------------

TEST(other_heads, a_job_of_another_head_is_shown_as_the_store_has_it) {
  heads_script s;
  s.has("theirs", job_state::COMPLETED, false);
  const auto shown = s.status("theirs");
  EXPECT_TRUE(says(shown, R"("status":"COMPLETED")")) << shown->text();
  EXPECT_TRUE(says(shown, R"("output":42)")) << "although its head is dead";
  s.has("runs", job_state::IN_PROGRESS);
  EXPECT_TRUE(says(s.status("runs"), "IN_PROGRESS"));
  EXPECT_TRUE(s.shared.calls.empty()) << "nobody is asked what the store knows";
}

TEST(other_heads, a_job_that_no_head_has_is_not_found) {
  heads_script s;
  EXPECT_EQ(s.status("nowhere")->answer->status, 404U);
}

TEST(other_heads, a_job_that_the_client_may_not_see_is_not_found) {
  heads_script s;
  s.has("theirs", job_state::COMPLETED);
  EXPECT_EQ(s.status("theirs", "mine")->answer->status, 404U);
  EXPECT_EQ(s.status("theirs", "theirs")->answer->status, 200U);
}

TEST(other_heads, while_the_store_is_away_the_client_hears_to_ask_again) {
  heads_script s;
  s.shared.away = true;
  const auto client = s.status("any");
  EXPECT_EQ(client->answer->status, 503U) << "404 would say that the job is gone";
  EXPECT_TRUE(says(client, "unavailable"));
}

TEST(other_heads, a_client_that_waits_has_its_answer_when_the_job_has_ended) {
  heads_script s;
  s.has("theirs", job_state::IN_PROGRESS);
  const auto client = s.status_sync("theirs", 5s);
  s.not_here();
  s.pass(2s);
  EXPECT_EQ(client->text(), "");
  s.has("theirs", job_state::COMPLETED);
  s.pass(other_heads::look_pause + 100ms);
  EXPECT_TRUE(says(client, "COMPLETED")) << client->text();
}

TEST(other_heads, a_client_that_has_waited_long_enough_sees_how_the_job_stands) {
  heads_script s;
  s.has("theirs", job_state::IN_PROGRESS);
  const auto client = s.status_sync("theirs", 2s);
  s.not_here();
  s.pass(2s + 100ms);
  EXPECT_TRUE(says(client, "IN_PROGRESS")) << client->text();
}

// ---- what the owner is asked -------------------------------------------------------------------

TEST(other_heads, the_owner_is_asked_for_what_changes_a_job) {
  heads_script s;
  s.has("theirs", job_state::IN_PROGRESS);
  const auto client = s.cancel("theirs");
  const auto call = s.asked();
  EXPECT_EQ(call.what, head_calls::asks::cancel);
  EXPECT_EQ(call.job, "theirs");
  EXPECT_EQ(call.endpoints, (std::vector<std::string>{"tayfa"}));
  EXPECT_EQ(call.tenant, "theirs");
  EXPECT_TRUE(call.one_tenant);
  EXPECT_EQ(client->text(), "");
  s.owner_says(heads_script::answer(200, R"({"id":"theirs"})"));
  EXPECT_EQ(client->text(), R"(200 {"id":"theirs"})");
}

TEST(other_heads, an_owner_that_does_not_answer_is_unavailable) {
  heads_script s;
  s.has("theirs", job_state::IN_QUEUE);
  for (const bool garbage : {false, true}) {
    const auto client = s.cancel("theirs");
    s.asked();
    s.owner_says(garbage ? result<std::string>{"\x01 garbage"}
                         : result<std::string>{fail(errc::unavailable, "silent")});
    EXPECT_EQ(client->answer->status, 503U) << client->text();
    EXPECT_TRUE(says(client, "head other")) << client->text();
  }
}

TEST(other_heads, a_dead_owner_is_not_asked) {
  heads_script s;
  s.has("theirs", job_state::IN_QUEUE, false);
  const auto client = s.cancel("theirs");
  EXPECT_EQ(client->answer->status, 503U);
  EXPECT_TRUE(says(client, "has died")) << client->text();
  EXPECT_TRUE(s.shared.calls.empty());
}

TEST(other_heads, a_job_that_is_being_adopted_is_tried_here_again) {
  heads_script s;
  s.has("theirs", job_state::IN_QUEUE);
  s.shared.jobs["theirs"].owner.is_here = true;
  const auto client = s.cancel("theirs");
  s.messages();
  s.pass(other_heads::adopt_pause);
  EXPECT_EQ(s.messages(), texts{"cancel theirs"});
  s.queue_says(job_answer{ingress_script::view("theirs", job_state::CANCELLED)});
  EXPECT_TRUE(says(client, "CANCELLED"));
}

TEST(other_heads, a_job_that_is_never_here_is_unavailable_after_some_tries) {
  heads_script s;
  s.has("theirs", job_state::IN_QUEUE);
  s.shared.jobs["theirs"].owner.is_here = true;
  const auto client = s.cancel("theirs");
  for (int i = 0; i < other_heads::adopt_tries; ++i) {
    EXPECT_EQ(client->text(), "") << i;
    s.pass(other_heads::adopt_pause);
    s.not_here();
  }
  EXPECT_EQ(client->answer->status, 503U) << client->text();
}

TEST(other_heads, a_job_that_has_another_owner_by_now_is_looked_for_again) {
  heads_script s;
  s.has("theirs", job_state::IN_QUEUE);
  const auto client = s.cancel("theirs");
  s.shared.jobs["theirs"].owner.number = 4;
  s.owner_says(heads_script::answer(404, "{}"));
  s.pass(other_heads::adopt_pause);
  ASSERT_EQ(s.shared.calls.size(), 1U);
  EXPECT_EQ(s.shared.calls.front().head, 4);
  s.owner_says(heads_script::answer(200, "{}"));
  EXPECT_EQ(client->answer->status, 200U);
}

TEST(other_heads, the_owner_hears_whether_the_reader_has_the_chunks) {
  for (const bool received : {true, false}) {
    heads_script s;
    s.has("theirs", job_state::IN_PROGRESS);
    const auto client = s.stream("theirs", 3s);
    s.queue_says(stream_answer{fail(errc::job_not_found)});
    EXPECT_EQ(s.asked().wait_ms, 3'000U);
    s.owner_says(heads_script::answer(200, R"({"stream":[]})", 9));
    EXPECT_EQ(client->answer->status, 200U);
    s.receives(client, received);
    EXPECT_EQ(s.asked().what, head_calls::asks::receipt);
    EXPECT_EQ(s.asked().receipt, 9U);
    EXPECT_EQ(s.asked().received, received);
  }
}

// ---- submissions with a key, purges, lists -----------------------------------------------------

api::submit keyed(bool sync = false) {
  api::submit call;
  call.who.endpoints = {"tayfa"};
  call.job.endpoint = "tayfa";
  call.job.input = shared_text{"1"};
  call.job.policy.tenant = "theirs";
  call.job.policy.idempotency_key = "key";
  call.job.sync = sync;
  call.wait = 5s;
  return call;
}

TEST(other_heads, a_key_that_another_head_knows_gives_its_job) {
  heads_script s;
  s.has("theirs", job_state::IN_QUEUE);
  s.shared.keys["key"] = "theirs";
  auto& row = s.shared.jobs["theirs"].row;
  row.fingerprint = fingerprint(keyed().job);
  EXPECT_TRUE(says(s.calls(keyed()), R"("id":"theirs")"));
  row.fingerprint = fingerprint(keyed(true).job);
  const auto waits = s.calls(keyed(true));
  EXPECT_EQ(waits->text(), "");
  s.has("theirs", job_state::COMPLETED);
  s.pass(other_heads::look_pause);
  EXPECT_TRUE(says(waits, "COMPLETED")) << waits->text();
  EXPECT_EQ(s.messages(), texts{}) << "nothing is submitted here";
  s.shared.jobs["theirs"].row.fingerprint = 1;
  EXPECT_TRUE(says(s.calls(keyed()), "idempotency_mismatch"));
}

TEST(other_heads, a_key_that_no_other_head_knows_is_submitted_here) {
  heads_script s;
  const auto fresh = s.calls(keyed());
  EXPECT_EQ(s.messages(), texts{"submit"});
  s.has("mine", job_state::IN_QUEUE);
  s.shared.keys["key"] = "mine";
  s.shared.jobs["mine"].owner.is_here = true;
  const auto again = s.calls(keyed());
  EXPECT_EQ(s.messages(), texts{"submit"}) << "this head's own queue knows it";
}

TEST(other_heads, lists_say_which_head_they_cover) {
  heads_script s;
  const auto client = s.calls(api::list_requests{});
  s.queue_dies();
  ASSERT_TRUE(client->answer);
  const auto& headers = client->answer->headers;
  EXPECT_NE(std::find(headers.begin(), headers.end(),
                      std::pair<std::string, std::string>{head_field, "here"}),
            headers.end());
}

// ---- what other heads ask ----------------------------------------------------------------------

TEST(other_heads, a_call_of_another_head_is_served_here_and_never_passed_on) {
  heads_script s;
  head_calls::call what;
  what.what = head_calls::asks::cancel;
  what.job = "mine";
  what.endpoints.assign({"tayfa"});
  what.one_tenant = true;
  what.tenant = "theirs";
  const auto answer = s.called(what);
  EXPECT_EQ(s.messages(), texts{"cancel mine"});
  EXPECT_EQ(s.queue.who, (job_access{{"tayfa"}, "theirs"}));
  s.queue_says(job_answer{fail(errc::job_not_found)});
  const auto read = head_calls::decode_answer(*answer);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, 404U);
  EXPECT_EQ(s.shared.found, 0) << "its caller looks for the owner, not this head";
}

TEST(other_heads, chunks_that_another_heads_reader_has_are_gone) {
  heads_script s;
  head_calls::call what;
  what.what = head_calls::asks::stream;
  what.job = "mine";
  what.wait_ms = 1'000;
  const auto answer = s.called(what);
  s.queue_says(ingress_script::unread("mine", job_state::COMPLETED, {"1"}, 4));
  const auto read = head_calls::decode_answer(*answer);
  ASSERT_TRUE(read);
  ASSERT_NE(read->receipt, 0U);
  s.messages();
  head_calls::call received;
  received.what = head_calls::asks::receipt;
  received.receipt = read->receipt;
  received.received = true;
  s.called(received);
  EXPECT_EQ(s.messages().front(), "received mine 4");
}

TEST(other_heads, chunks_whose_reader_is_not_heard_of_stay) {
  heads_script s;
  head_calls::call what;
  what.what = head_calls::asks::stream;
  what.job = "mine";
  what.wait_ms = 1'000;
  const auto answer = s.called(what);
  s.queue_says(ingress_script::unread("mine", job_state::COMPLETED, {"1"}, 4));
  ASSERT_NE(*answer, "");
  s.messages();
  s.pass(20s);
  for (const auto& each : s.messages()) {
    EXPECT_EQ(each.find("received"), std::string::npos) << each;
  }
}

TEST(other_heads, a_call_that_cannot_be_read_is_refused_in_words) {
  heads_script s;
  std::string answer;
  s.shared.server({.body = "nonsense", .left = 5s, .answer = [&](std::string text) {
                     answer = std::move(text);
                   }});
  s.settle();
  const auto read = head_calls::decode_answer(answer);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, 503U);
}

// ---- the codec ---------------------------------------------------------------------------------

TEST(head_calls, every_cut_and_every_flip_is_refused_or_read_within_the_limits) {
  head_calls::call what;
  what.what = head_calls::asks::stream;
  what.job = "job-1";
  what.endpoints.assign({"a", "b"});
  what.one_tenant = true;
  what.tenant = "t";
  what.wait_ms = 5;
  const auto whole = head_calls::encode(what);
  const auto read = head_calls::decode_call(whole);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->endpoints, what.endpoints);
  EXPECT_EQ(read->wait_ms, 5U);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(head_calls::decode_call(whole.substr(0, size))) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto flipped = whole;
    flipped[at] = static_cast<char>(~flipped[at]);
    const auto other = head_calls::decode_call(flipped);
    if (other) {
      EXPECT_LE(other->endpoints.size(), head_calls::endpoint_names::most);
    }
  }
}

TEST(head_calls, another_version_is_refused_with_both_numbers) {
  auto later = head_calls::encode(head_calls::call{});
  later[1] = 2; // an array's header, then the version
  const auto read = head_calls::decode_call(later);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text.find("version 2"), std::string::npos) << read.error().text;
  EXPECT_NE(read.error().text.find("version 1"), std::string::npos) << read.error().text;
}

} // namespace
} // namespace tayfa::testing
