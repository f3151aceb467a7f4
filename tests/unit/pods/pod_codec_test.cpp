// Frames of the pod protocol: every message survives, every bound holds, versions agree or say why.
#include "messages/pod_codec.hpp"

#include <gtest/gtest.h>
#include <msgpack.hpp>

namespace tayfa::pod_protocol::testing {
namespace {

constexpr worker_ref worker{slot_id{3}, 7};

template <class Body>
Body again(const Body& body) {
  constexpr bool up =
      std::is_constructible_v<upstream, Body> && !std::is_same_v<Body, protocol::cancel>;
  if constexpr (up) {
    const auto read = decode_upstream(version_max, encode(version_max, worker, upstream{body}));
    EXPECT_TRUE(read.has_value()) << read.error().text;
    EXPECT_EQ(read->worker, worker);
    return std::get<Body>(read->body);
  } else {
    const auto read = decode_downstream(version_max, encode(version_max, worker, downstream{body}));
    EXPECT_TRUE(read.has_value()) << read.error().text;
    EXPECT_EQ(read->worker, worker);
    return std::get<Body>(read->body);
  }
}

std::string refused_up(const upstream& m) {
  const auto read = decode_upstream(version_max, encode(version_max, worker, m));
  return read ? "" : read.error().text;
}
std::string refused_down(const downstream& m) {
  const auto read = decode_downstream(version_max, encode(version_max, worker, m));
  return read ? "" : read.error().text;
}

attempt_ref attempt(const std::string& job = "job") {
  return {job_id{job}, 2};
}
blob_ref some_blob(std::uint64_t bytes = 1'000'000) {
  return {std::string(32, '\x7f'), bytes};
}

TEST(pod_codec, a_hello_says_what_the_pod_is) {
  hello m;
  m.release = "1.2";
  m.name = "left";
  m.head = "h";
  m.slots = 2;
  m.attempts = 5;
  m.take_until = 9;
  m.models = {"a", "b"};
  const auto read = again(m);
  EXPECT_EQ(read.versions_from, version_min);
  EXPECT_EQ(read.versions_to, version_max);
  EXPECT_EQ(read.release, "1.2");
  EXPECT_EQ(read.name, "left");
  EXPECT_EQ(read.head, "h");
  EXPECT_EQ(read.slots, 2U);
  EXPECT_EQ(read.attempts, 5U);
  EXPECT_EQ(read.take_until, 9U);
  EXPECT_EQ(read.models, m.models);
}

TEST(pod_codec, lists_of_attempts_and_verdicts_survive) {
  inventory m;
  m.entries.push_back({attempt("one"), stage::running, 1, 4, 77});
  m.entries.push_back({attempt("two"), stage::finished, 0, 0, 0});
  const auto read = again(m);
  ASSERT_EQ(read.entries.size(), 2U);
  EXPECT_EQ(read.entries[0].attempt, attempt("one"));
  EXPECT_EQ(read.entries[0].at, stage::running);
  EXPECT_EQ(read.entries[0].incarnation, 4U);
  EXPECT_EQ(read.entries[0].steps, 77U);
  EXPECT_EQ(read.entries[1].at, stage::finished);
  verdicts v;
  v.entries = {verdict::keep, verdict::report, verdict::cancel, verdict::drop, verdict::forget};
  EXPECT_EQ(again(v).entries, v.entries);
}

TEST(pod_codec, a_payload_is_a_text_or_a_blob) {
  finished m;
  m.attempt = attempt();
  m.text = "why";
  m.output.text = shared_text{"{}"};
  EXPECT_EQ(again(m).output.text.view(), "{}");
  m.output = {{}, some_blob()};
  EXPECT_EQ(again(m).output.blob, some_blob());
  m.output.text = shared_text{"{}"};
  EXPECT_EQ(refused_up(m), "a payload is a text or a blob");
}

TEST(pod_codec, an_assign_carries_what_the_pod_needs_without_its_head) {
  assign m;
  m.attempt = attempt();
  m.model = "sd";
  m.input.text = shared_text{"1"};
  m.batch = 4;
  m.batch_size = 3;
  m.s3_config = "{}";
  m.timeout_ms = 5000;
  m.endpoint = "e";
  const auto read = again(m);
  EXPECT_EQ(read.model, "sd");
  EXPECT_EQ(read.input.text.view(), "1");
  EXPECT_EQ(read.batch, 4U);
  EXPECT_EQ(read.batch_size, 3U);
  EXPECT_EQ(read.s3_config, "{}");
  EXPECT_EQ(read.timeout_ms, 5000U);
  EXPECT_EQ(read.endpoint, "e");
}

TEST(pod_codec, the_other_messages_survive) {
  slot_ready ready;
  ready.capacity = 4;
  ready.batch_max = 2;
  ready.device = "L4";
  ready.model_kinds = {"torchscript"};
  EXPECT_EQ(again(ready).capacity, 4U);
  EXPECT_EQ(again(ready).model_kinds.front(), "torchscript");
  EXPECT_TRUE(again(slot_gone{41, "x", true}).from_outside);
  EXPECT_EQ(again(beat{1, 2, 3, 4, "full"}).closed, "full");
  EXPECT_EQ(again(credit{8}).take_until, 8U);
  EXPECT_EQ(again(accepted{attempt()}).attempt, attempt());
  EXPECT_EQ(again(returned{attempt(), "busy"}).why, "busy");
  EXPECT_EQ(again(protocol::started{attempt()}).attempt, attempt());
  EXPECT_EQ(again(protocol::stepped{attempt(), 9}).steps, 9U);
  EXPECT_EQ(again(progress{attempt(), 2, {shared_text{"1"}, {}}}).sequence, 2U);
  EXPECT_EQ(again(partial{attempt(), 2, {{}, some_blob()}}).content.blob, some_blob());
  EXPECT_EQ(again(protocol::log{attempt(), 2, "row"}).text, "row");
  again(drained{});
  models names;
  names.names = {"a"};
  EXPECT_EQ(again(names).names, names.names);
  EXPECT_EQ(again(model_refused{"m", 62, "x"}).code, 62U);
  EXPECT_EQ(again(key_made{std::string(40, 'k')}).key.size(), key_length);
  EXPECT_EQ(again(join{std::string(40, 'k'), "n", "r"}).name, "n");
  EXPECT_EQ(again(welcome{1, "h", 4, 2000}).boot, 4U);
  EXPECT_EQ(again(refused{refusal::busy, "t", 7}).retry_after_ms, 7U);
  EXPECT_EQ(again(beat_answer{5}).sequence, 5U);
  EXPECT_EQ(again(protocol::cancel{attempt()}).attempt, attempt());
  EXPECT_EQ(again(forget{attempt()}).attempt, attempt());
  EXPECT_EQ(again(load{"m"}).model, "m");
  again(unload{});
  EXPECT_EQ(again(drain{drain_mode::quick, 5}).grace_ms, 5U);
  again(undrain{});
  EXPECT_EQ(again(rotate{std::string(40, 'k'), "tcp://a:1"}).address, "tcp://a:1");
  EXPECT_EQ(again(revoked{"gone"}).why, "gone");
  EXPECT_EQ(again(joined{"h"}).head, "h");
  EXPECT_EQ(again(blob_need{some_blob(), 1, 2}).until, 2U);
  EXPECT_TRUE(again(blob_have{some_blob(), true}).ok);
  EXPECT_EQ(again(chunk{some_blob(), 10, shared_text{"abc"}}).bytes.view(), "abc");
}

TEST(pod_codec, every_bound_is_kept) {
  inventory many;
  many.entries.resize(list_max + 1, {attempt(), stage::waiting, 0, 0, 0});
  EXPECT_FALSE(refused_up(many).empty());
  many.entries.resize(list_max);
  EXPECT_EQ(refused_up(many), "");
  hello models;
  models.models.resize(models_max + 1);
  EXPECT_EQ(refused_up(models), "a list is too long");
  EXPECT_EQ(refused_up(beat{1, 0, 0, 0, std::string(257, 'x')}), "a string is too long");
  EXPECT_EQ(refused_up(slot_gone{1, std::string(text_bytes_max + 1, 'x'), false}),
            "a string is too long");
  finished large;
  large.attempt = attempt();
  large.output.text = shared_text{std::string(inline_bytes_max, 'x')};
  EXPECT_EQ(refused_up(large), "");
  large.output.text = shared_text{std::string(inline_bytes_max + 1, 'x')};
  EXPECT_EQ(refused_up(large), "a string is too long");
  EXPECT_EQ(refused_up(chunk{some_blob(), 0, shared_text{std::string(chunk_bytes_max + 1, 'x')}}),
            "a string is too long");
  const std::string frame(frame_bytes_max + 1, '\x90');
  EXPECT_EQ(decode_upstream(version_max, frame).error().text, "the frame is too large");
}

TEST(pod_codec, values_that_make_no_sense_are_refused) {
  EXPECT_EQ(refused_up(inventory{{inventory_entry{}}}), "an inventory names attempts");
  slot_ready no_place;
  no_place.batch_max = 2;
  EXPECT_EQ(refused_up(no_place), "a worker's batches fit its capacity");
  EXPECT_EQ(refused_up(key_made{"short"}), "a public key has 40 characters");
  EXPECT_EQ(refused_up(blob_have{{"short", 5}, true}),
            "a blob is named by 32 bytes of SHA-256 and its size");
  EXPECT_EQ(refused_up(blob_have{some_blob(blob_bytes_max + 1), true}),
            "a blob is named by 32 bytes of SHA-256 and its size");
  EXPECT_EQ(refused_up(blob_need{some_blob(10), 0, 11}), "a blob is needed up to its end at most");
  EXPECT_EQ(refused_up(chunk{some_blob(10), 8, shared_text{"abc"}}),
            "a chunk lies within its blob");
  assign no_job;
  EXPECT_EQ(refused_down(no_job), "an assign names an attempt, and a batch has members");
  welcome no_beat;
  no_beat.beat_ms = 0;
  EXPECT_EQ(refused_down(no_beat), "a welcome has a version and an interval of beats");
  verdicts bad;
  bad.entries = {static_cast<verdict>(9)};
  EXPECT_EQ(refused_down(bad), "no such verdict");
  refused why;
  why.why = static_cast<refusal>(200);
  EXPECT_EQ(refused_down(why), "no such refusal");
}

TEST(pod_codec, a_message_of_the_other_direction_is_refused) {
  const auto read =
      decode_upstream(version_max, encode(version_max, worker, downstream{undrain{}}));
  EXPECT_EQ(read.error().text, "no such message in this direction");
}

TEST(pod_codec, only_a_greeting_is_read_in_another_version) {
  EXPECT_TRUE(decode_upstream(1, encode(9, worker, upstream{hello{}})).has_value());
  EXPECT_TRUE(decode_upstream(1, encode(9, worker, upstream{slot_ready{}})).has_value());
  EXPECT_TRUE(decode_downstream(1, encode(9, worker, downstream{refused{}})).has_value());
  EXPECT_EQ(decode_upstream(1, encode(9, worker, upstream{credit{}})).error().text,
            "another protocol version");
}

/// A hello of version 9, with one more field than this version knows.
std::string hello_of_later_version(std::uint32_t version) {
  std::stringstream out;
  msgpack::packer<std::stringstream> pack{out};
  pack.pack_array(4 + 10);
  for (const std::uint32_t number : {version, 80U, 0U, 0U, 2U, 9U}) {
    pack.pack(number);
  }
  for (const char* text : {"r", "n", "h"}) {
    pack.pack(std::string{text});
  }
  for (int i = 0; i < 3; ++i) {
    pack.pack(0U);
  }
  pack.pack_array(0);
  pack.pack(std::string{"of a later version"});
  return out.str();
}

TEST(pod_codec, a_hello_of_a_later_version_is_understood_as_far_as_it_goes) {
  const auto read = decode_upstream(1, hello_of_later_version(9));
  ASSERT_TRUE(read.has_value()) << read.error().text;
  EXPECT_EQ(std::get<hello>(read->body).versions_from, 2U);
  EXPECT_EQ(decode_upstream(1, hello_of_later_version(1)).error().text, "wrong number of fields");
}

TEST(pod_versions, the_greatest_that_both_speak) {
  EXPECT_EQ(agree(1, 3, 2, 5).value(), 3U);
  EXPECT_EQ(agree(2, 5, 1, 3).value(), 3U);
  EXPECT_EQ(agree(1, 1, 1, 1).value(), 1U);
}

TEST(pod_versions, a_refusal_names_both_and_who_has_to_be_upgraded) {
  EXPECT_EQ(agree(1, 1, 2, 3).error().text, "the pod speaks version 1 of the pod protocol, the "
                                            "head 2 to 3: upgrade the pod");
  EXPECT_EQ(agree(4, 5, 2, 3).error().text, "the pod speaks version 4 to 5 of the pod protocol, "
                                            "the head 2 to 3: upgrade the head");
  EXPECT_FALSE(agree(3, 2, 1, 9).has_value());
  EXPECT_FALSE(agree(0, 2, 1, 9).has_value());
}

} // namespace
} // namespace tayfa::pod_protocol::testing
