// Frames from a process that has lost its mind, or is not ours at all: each is refused as
// bad_frame, none crashes, none costs more than a small multiple of its bytes.
#include "messages/codec.hpp"

#include "tests/support/sanitizer.hpp"
#include "tests/unit/messages/messages_gen.hpp"

#include <algorithm>
#include <msgpack.hpp>
#include <sys/resource.h>

namespace tayfa::protocol {
namespace {

using namespace std::string_literals;

std::string refusal(const std::string& bytes) {
  const auto up = decode_upstream(bytes);
  const auto down = decode_downstream(bytes);
  if (up || down) {
    return "taken";
  }
  EXPECT_EQ(up.error().code, errc::bad_frame);
  EXPECT_EQ(down.error().code, errc::bad_frame);
  return up.error().text == down.error().text ? up.error().text
                                              : up.error().text + " | " + down.error().text;
}

/// [version, kind, slot 0, incarnation 0, …] with what `rest` packs after it.
template <class Pack>
std::string framed(std::uint32_t fields, std::uint8_t kind_number, Pack rest) {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> out{buffer};
  out.pack_array(4 + fields);
  out.pack(version);
  out.pack(kind_number);
  out.pack(0);
  out.pack(0);
  rest(out);
  return {buffer.data(), buffer.size()};
}
constexpr auto nothing = [](auto&) {};

std::vector<std::string> one_of_each() {
  std::vector<std::string> out;
  const attempt_ref a{job_id{"job"}, 1};
  const shared_text payload{R"({"x":1})"s};
  const upstream ups[] = {hello{1, "scripted", "cpu", 2, 8, true, true, 1},
                          heartbeat{1, 1, 1, 1, 1},
                          load_finished{"m", false, 62, "no", 1, 1, 4},
                          started{a},
                          progress{a, 1, payload},
                          partial{a, 1, payload},
                          finished{a, outcome::failed, 40, "no", payload, true, 5},
                          log{a, 1, "text"},
                          stepped{a, 3}};
  const downstream downs[] = {welcome{1000},
                              load_model{"m", "p", "{}"},
                              assign{a, "m", payload, 1, 2},
                              cancel{a},
                              shutdown{},
                              use_threads{3}};
  for (const auto& m : ups) {
    out.push_back(encode({slot_id{1}, 2}, m));
  }
  for (const auto& m : downs) {
    out.push_back(encode({slot_id{1}, 2}, m));
  }
  return out;
}

TEST(hostile_frames, cut_off_at_every_byte) {
  for (const auto& whole : one_of_each()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_EQ(refusal(whole.substr(0, size)), "not msgpack within the limits");
    }
  }
}

TEST(hostile_frames, bytes_after_the_end) {
  for (const auto& whole : one_of_each()) {
    EXPECT_EQ(refusal(whole + '\0'), "bytes follow the message");
    EXPECT_EQ(refusal(whole + whole), "bytes follow the message");
  }
}

TEST(hostile_frames, every_single_byte_changed_to_every_value) {
  for (const auto& whole : one_of_each()) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (int value = 0; value < 256; ++value) {
        auto bytes = whole;
        bytes[at] = static_cast<char>(value);
        // Taken or refused, but what is taken is a message that can be said again.
        if (const auto up = decode_upstream(bytes)) {
          EXPECT_TRUE(decode_upstream(encode(up->worker, up->body)));
        } else {
          EXPECT_EQ(up.error().code, errc::bad_frame);
        }
        if (const auto down = decode_downstream(bytes)) {
          EXPECT_TRUE(decode_downstream(encode(down->worker, down->body)));
        } else {
          EXPECT_EQ(down.error().code, errc::bad_frame);
        }
      }
    }
  }
}

TEST(hostile_frames, random_bytes) {
  EXPECT_TRUE(testing::property(5'000, [](const std::string& bytes) {
    const auto up = decode_upstream(bytes);
    RC_ASSERT((up || up.error().code == errc::bad_frame));
  }));
}

TEST(hostile_frames, the_wrong_direction) {
  const auto up = encode({}, upstream{heartbeat{}});
  const auto down = encode({}, downstream{shutdown{}});
  EXPECT_FALSE(decode_downstream(up));
  EXPECT_FALSE(decode_upstream(down));
  EXPECT_EQ(decode_upstream(down).error().text, "no such message in this direction");
}

TEST(hostile_frames, kinds_that_do_not_exist) {
  for (const int k : {0, 11, 31, 39, 127, 128, 255}) {
    EXPECT_EQ(refusal(framed(0, static_cast<std::uint8_t>(k), nothing)),
              "no such message in this direction");
  }
}

TEST(hostile_frames, other_versions_and_headers) {
  EXPECT_EQ(refusal("\x94\x01\x09\x00\x00"s), "another protocol version");
  EXPECT_EQ(refusal("\x94\x00\x09\x00\x00"s), "another protocol version");
  EXPECT_EQ(refusal("\x90"s), "the header is too short");
  EXPECT_EQ(refusal("\x93\x02\x09\x00"s), "the header is too short");
  EXPECT_EQ(refusal("\x01"s), "a frame is an array");
  EXPECT_EQ(refusal("\xa5hello"s), "a frame is an array");
  EXPECT_EQ(refusal("\xc0"s), "a frame is an array");
  EXPECT_EQ(refusal("\x80"s), "a frame is an array");
  EXPECT_EQ(refusal("\xc1"s), "not msgpack within the limits");
  EXPECT_EQ(refusal(""s), "not msgpack within the limits");
}

TEST(hostile_frames, too_few_and_too_many_fields) {
  EXPECT_EQ(decode_upstream(framed(0, 4, nothing)).error().text, "wrong number of fields");
  const auto two = [](auto& out) { out.pack(1), out.pack(1); };
  EXPECT_EQ(decode_upstream(framed(2, 4, two)).error().text, "wrong number of fields");
  EXPECT_EQ(decode_upstream(framed(0, 9, nothing)).error().text,
            "no such message in this direction")
      << "a retired kind";
}

TEST(hostile_frames, fields_that_were_appended_may_be_missing_and_no_others) {
  const auto hello_of = [](std::uint32_t fields) {
    return decode_upstream(framed(fields, 1, [&](auto& out) {
      out.pack(7);
      out.pack("scripted"s);
      out.pack("cpu"s);
      for (std::uint32_t i = 3; i < fields; ++i) {
        i == 5 || i == 6 ? out.pack(true) : out.pack(5);
      }
    }));
  };
  EXPECT_EQ(hello_of(3).error().text, "wrong number of fields");
  EXPECT_EQ(hello_of(9).error().text, "wrong number of fields");
  for (std::uint32_t fields = 4; fields <= 8; ++fields) {
    const auto said = hello_of(fields);
    ASSERT_TRUE(said) << fields;
    const auto& m = std::get<hello>(said->body);
    EXPECT_EQ(m.capacity, 5U);
    EXPECT_EQ(m.batch_max, fields > 4 ? 5U : 1U);
    EXPECT_EQ(m.continuous, fields > 5);
    EXPECT_EQ(m.steps, fields > 6);
    EXPECT_EQ(m.memory_bytes, fields > 7 ? 5U : 0U);
  }
}

TEST(hostile_frames, numbers_that_do_not_fit) {
  const auto welcome_with = [](auto value) {
    return decode_downstream(framed(1, 32, [&](auto& out) { out.pack(value); }));
  };
  EXPECT_TRUE(welcome_with(0xffffffffu));
  EXPECT_EQ(welcome_with(std::uint64_t{1} << 32).error().text, "an integer is out of range");
  EXPECT_EQ(welcome_with(-1).error().text, "an unsigned integer is expected");
  EXPECT_EQ(welcome_with(std::numeric_limits<std::int64_t>::min()).error().text,
            "an unsigned integer is expected");
  EXPECT_EQ(welcome_with(1.5).error().text, "an unsigned integer is expected");
  EXPECT_EQ(welcome_with(true).error().text, "an unsigned integer is expected");
  EXPECT_EQ(welcome_with("1"s).error().text, "an unsigned integer is expected");
  EXPECT_EQ(refusal("\x94\x02\x09\xff\x00"s), "an unsigned integer is expected") << "slot -1";
  EXPECT_EQ(refusal("\x94\x02\xcd\x01\x09\x00\x00"s), "an integer is out of range") << "kind 265";
}

TEST(hostile_frames, values_outside_of_their_type) {
  const auto finished_with = [](auto how, auto refresh) {
    return decode_upstream(framed(7, 7, [&](auto& out) {
      out.pack_array(2);
      out.pack("job"s);
      out.pack(1);
      out.pack(how);
      out.pack(0);
      out.pack(""s);
      out.pack(""s);
      out.pack(refresh);
      out.pack(0);
    }));
  };
  EXPECT_TRUE(finished_with(2, true));
  EXPECT_EQ(finished_with(3, true).error().text, "no such outcome");
  EXPECT_EQ(finished_with(255, true).error().text, "no such outcome");
  EXPECT_EQ(finished_with(2, 1).error().text, "a boolean is expected");
}

TEST(hostile_frames, attempts_that_are_none) {
  const auto started_with = [](auto pack) { return decode_upstream(framed(1, 4, pack)); };
  const auto with_id = [&](const std::string& id) {
    return started_with([&](auto& out) {
      out.pack_array(2);
      out.pack(id);
      out.pack(1);
    });
  };
  EXPECT_TRUE(with_id("job"));
  EXPECT_EQ(with_id("a/b").error().text, "a job id has bad characters");
  EXPECT_EQ(with_id("a\0b"s).error().text, "a job id has bad characters");
  EXPECT_EQ(with_id(std::string(129, 'a')).error().text, "a string is too long");
  EXPECT_EQ(started_with([](auto& out) { out.pack(1); }).error().text,
            "an attempt is [job, number]");
  EXPECT_EQ(started_with([](auto& out) { out.pack_array(0); }).error().text,
            "an attempt is [job, number]");
  EXPECT_EQ(started_with([](auto& out) {
              out.pack_array(2);
              out.pack(1);
              out.pack(1);
            })
                .error()
                .text,
            "a string is expected");
}

TEST(hostile_frames, types_that_the_protocol_does_not_have) {
  const std::string rest[] = {
      "\xc4\x01x"s,                // bin
      "\xd4\x01x"s,                // fixext 1
      "\xc7\x01\x01x"s,            // ext 8
      "\xd6\xff\x00\x00\x00\x00"s, // timestamp
      "\x81\x01\x01"s,             // map
  };
  for (const auto& value : rest) {
    EXPECT_EQ(refusal("\x95\x02\x20\x00\x00"s + value), "not msgpack within the limits");
  }
  EXPECT_FALSE(decode_downstream("\x95\x02\x20\x00\x00\xc0"s)) << "nil";
  EXPECT_FALSE(decode_downstream("\x95\x02\x20\x00\x00\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"s));
  EXPECT_FALSE(decode_downstream("\x95\x02\x20\x00\x00\x80"s)) << "an empty map";
}

TEST(hostile_frames, nesting) {
  EXPECT_EQ(refusal(std::string(4, '\x91') + '\x01'), "not msgpack within the limits");
  EXPECT_EQ(refusal(std::string(2'000'000, '\x91')), "not msgpack within the limits");
  EXPECT_EQ(refusal(std::string(2'000'000, '\x81')), "not msgpack within the limits");
}

TEST(hostile_frames, too_large_before_anything_is_read) {
  EXPECT_EQ(refusal(std::string(frame_bytes_max + 1, '\0')), "the frame is too large");
}

/// While it lives, this process can take only so much more memory: asking for gigabytes throws.
class little_memory {
 public:
  explicit little_memory(rlim_t more) {
    getrlimit(RLIMIT_AS, &before_);
    rlimit now = before_;
    now.rlim_cur = in_use() + more;
    setrlimit(RLIMIT_AS, &now);
  }
  ~little_memory() { setrlimit(RLIMIT_AS, &before_); }
  little_memory(const little_memory&) = delete;
  little_memory& operator=(const little_memory&) = delete;

 private:
  static rlim_t in_use() {
    std::FILE* f = std::fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (f != nullptr) {
      EXPECT_EQ(std::fscanf(f, "%lu", &pages), 1);
      std::fclose(f);
    }
    return pages * 4096;
  }
  rlimit before_{};
};

TEST(hostile_frames, a_few_bytes_that_announce_gigabytes) {
  if (tayfa::test::with_sanitizer) {
    GTEST_SKIP() << tayfa::test::sanitizer_needs_it;
  }
  const std::string announced[] = {
      "\xdd\xff\xff\xff\xff"s,                     // array of 4 billion
      "\xdd\x01\x00\x00\x00"s,                     // array of 16 million
      "\xdc\xff\xff"s,                             // array of 65535
      "\xdf\xff\xff\xff\xff"s,                     // map of 4 billion
      "\xdb\xff\xff\xff\xff"s,                     // text of 4 GiB
      "\xdb\x05\xff\xff\xff"s,                     // text of 96 MiB less a byte
      "\xc6\xff\xff\xff\xff"s,                     // bin
      "\xc9\xff\xff\xff\xff\x01"s,                 // ext
      "\x95\x02\x20\x00\x00\xdd\xff\xff\xff\xff"s, // the same inside of a frame
      "\x95\x02\x20\x00\x00\xdb\xff\xff\xff\xff"s,
  };
  const little_memory limit{rlim_t{16} << 20};
  for (const auto& bytes : announced) {
    EXPECT_EQ(refusal(bytes), "not msgpack within the limits");
  }
}

} // namespace
} // namespace tayfa::protocol
