// Frames as msgpack arrays, written and read by the field lists of their messages: what the codecs
// of the worker protocol (codec.cpp) and of the pod protocol (pod_codec.cpp) share.
//
// Only those and the calls between heads (head_calls.cpp) include it. Reading is pure and bounded:
// a frame_limits says what a frame may hold before msgpack looks inside; a message may be stricter
// by `text_most`, `payload_most`, the bound of its lists, and `valid()`.
#pragma once

#include "messages/codec.hpp"
#include "messages/fields.hpp"

#include <cstdint>
#include <limits>
#include <msgpack.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace tayfa::protocol::framing {

inline constexpr std::uint32_t header_size = 4; // version, kind, slot, incarnation
inline constexpr std::uint32_t fields_most = 28;

struct frame_limits {
  std::size_t frame_bytes = 0;
  std::size_t text_bytes = 0;    ///< any string but a payload
  std::size_t payload_bytes = 0; ///< a shared_text
  std::uint32_t elements = 0;    ///< of any array
  std::uint32_t depth = 0;
  bool later_fields = false; ///< a later version's fields are there, and not read
};

template <class T>
concept with_fields = requires { T::fields(); };
/// A list that says itself how many elements it may have.
template <class T>
concept list_of = requires {
  T::most;
  typename T::value_type;
};

/// Every enumeration of a message has these two; of other protocols, beside the enumeration.
constexpr outcome greatest(outcome) {
  return outcome::cancelled;
}
constexpr const char* unknown_value(outcome) {
  return "no such outcome";
}

// ---- writing ------------------------------------------------------------------------------------

/// msgpack's own buffer would have to be copied into the frame.
struct text_buffer {
  std::string& out;
  void write(const char* bytes, std::size_t size) { out.append(bytes, size); }
};
using packer = msgpack::packer<text_buffer>;

inline void put_text(packer& out, std::string_view text) {
  out.pack_str(static_cast<std::uint32_t>(text.size()));
  out.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

template <class T>
void put(packer& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    put_text(out, value);
  } else if constexpr (std::is_same_v<T, shared_text>) {
    put_text(out, value.view());
  } else if constexpr (std::is_same_v<T, attempt_ref>) {
    out.pack_array(2);
    put_text(out, value.job.str());
    out.pack(value.number);
  } else if constexpr (std::is_enum_v<T>) {
    out.pack(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (list_of<T>) {
    out.pack_array(static_cast<std::uint32_t>(value.size()));
    for (const auto& each : value) {
      put(out, each);
    }
  } else if constexpr (with_fields<T>) {
    constexpr auto list = T::fields();
    out.pack_array(static_cast<std::uint32_t>(std::tuple_size_v<decltype(list)>));
    std::apply([&](const auto&... f) { (put(out, value.*(f.member)), ...); }, list);
  } else {
    static_assert(std::is_arithmetic_v<T>);
    out.pack(value);
  }
}

/// Bytes that hold the usual frame, so that it is written without growing.
inline constexpr std::size_t usual_frame = 96;

template <class T>
std::size_t text_size(const T& value) {
  if constexpr (with_fields<T>) {
    return std::apply([&](const auto&... f) { return (text_size(value.*(f.member)) + ... + 0); },
                      T::fields());
  } else if constexpr (requires { value.size(); }) {
    return value.size();
  } else {
    return 0;
  }
}

template <class Body>
std::string encode_body(std::uint32_t version, const worker_ref& worker, const Body& body,
                        std::size_t room) {
  constexpr auto list = Body::fields();
  std::string frame;
  std::size_t texts = 0;
  std::apply([&](const auto&... f) { ((texts += text_size(body.*(f.member))), ...); }, list);
  frame.reserve(room + usual_frame + texts);
  frame.resize(room);
  text_buffer buffer{frame};
  packer out{buffer};
  out.pack_array(header_size + static_cast<std::uint32_t>(std::tuple_size_v<decltype(list)>));
  out.pack(version);
  put(out, Body::id);
  out.pack(worker.slot.value);
  out.pack(worker.incarnation);
  std::apply([&](const auto&... f) { (put(out, body.*(f.member)), ...); }, list);
  return frame;
}

// ---- reading ------------------------------------------------------------------------------------

struct broken {
  std::string rule;
};

inline void require(bool holds, const char* rule) {
  if (!holds) {
    throw broken{rule};
  }
}

template <class Int>
Int get_int(const msgpack::object& o) {
  require(o.type == msgpack::type::POSITIVE_INTEGER, "an unsigned integer is expected");
  require(o.via.u64 <= std::numeric_limits<Int>::max(), "an integer is out of range");
  return static_cast<Int>(o.via.u64);
}

inline std::string_view get_text(const msgpack::object& o, std::size_t max) {
  require(o.type == msgpack::type::STR, "a string is expected");
  require(o.via.str.size <= max, "a string is too long");
  return {o.via.str.ptr, o.via.str.size};
}

/// Fields that a frame of this kind has at least: those of its first version.
template <class Body>
constexpr std::size_t fields_least() {
  if constexpr (requires { Body::first_fields; }) {
    return Body::first_fields;
  } else {
    return std::tuple_size_v<decltype(Body::fields())>;
  }
}

/// The limits of a message: what it says itself, else those of every frame.
template <class Body>
constexpr frame_limits limits_of(frame_limits all) {
  if constexpr (requires { Body::text_most; }) {
    all.text_bytes = Body::text_most;
  }
  if constexpr (requires { Body::payload_most; }) {
    all.payload_bytes = Body::payload_most;
  }
  return all;
}

template <class T>
void get(const msgpack::object& o, T& value, const frame_limits& limits);

/// The fields of a message or of a part of one, from the array's element `first` on.
template <class Body>
void get_fields(const msgpack::object_array& array, std::size_t first, Body& body,
                const frame_limits& all) {
  constexpr auto list = Body::fields();
  constexpr auto count = std::tuple_size_v<decltype(list)>;
  static_assert(fields_least<Body>() <= count && count <= fields_most);
  const std::size_t given = array.size - first;
  require(given >= fields_least<Body>() && (given <= count || all.later_fields),
          "wrong number of fields");
  const auto limits = limits_of<Body>(all);
  const auto get_at = [&](std::size_t at, auto& value) {
    if (at < given) {
      get(array.ptr[first + at], value, limits);
    }
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (get_at(I, body.*(std::get<I>(list).member)), ...);
  }(std::make_index_sequence<count>{});
  if constexpr (requires { body.valid(); }) {
    require(body.valid(), Body::rule);
  }
}

template <class T>
void get(const msgpack::object& o, T& value, const frame_limits& limits) {
  if constexpr (std::is_same_v<T, std::string>) {
    value = std::string{get_text(o, limits.text_bytes)};
  } else if constexpr (std::is_same_v<T, shared_text>) {
    value = shared_text{std::string{get_text(o, limits.payload_bytes)}};
  } else if constexpr (std::is_same_v<T, attempt_ref>) {
    require(o.type == msgpack::type::ARRAY && o.via.array.size == 2, "an attempt is [job, number]");
    const auto job = get_text(o.via.array.ptr[0], job_id::max_length);
    const auto parsed = job_id::parse(job);
    require(parsed.has_value() || job.empty(), "a job id has bad characters");
    value.job = parsed.value_or(job_id{});
    value.number = get_int<std::uint32_t>(o.via.array.ptr[1]);
  } else if constexpr (std::is_same_v<T, bool>) {
    require(o.type == msgpack::type::BOOLEAN, "a boolean is expected");
    value = o.via.boolean;
  } else if constexpr (std::is_enum_v<T>) {
    const auto number = get_int<std::underlying_type_t<T>>(o);
    require(number <= static_cast<std::underlying_type_t<T>>(greatest(T{})), unknown_value(T{}));
    value = static_cast<T>(number);
  } else if constexpr (list_of<T>) {
    require(o.type == msgpack::type::ARRAY, "a list is expected");
    require(o.via.array.size <= T::most, "a list is too long");
    value.resize(o.via.array.size);
    for (std::uint32_t i = 0; i < o.via.array.size; ++i) {
      get(o.via.array.ptr[i], value[i], limits);
    }
  } else if constexpr (with_fields<T>) {
    require(o.type == msgpack::type::ARRAY, "a list of fields is expected");
    get_fields(o.via.array, 0, value, limits);
  } else {
    value = get_int<T>(o);
  }
}

template <class Variant, std::size_t I = 0>
Variant get_variant(std::uint8_t id, const msgpack::object_array& array,
                    const frame_limits& limits) {
  if constexpr (I == std::variant_size_v<Variant>) {
    throw broken{"no such message in this direction"};
  } else {
    using body = std::variant_alternative_t<I, Variant>;
    if (id == static_cast<std::uint8_t>(body::id)) {
      body out;
      get_fields(array, header_size, out, limits);
      return out;
    }
    return get_variant<Variant, I + 1>(id, array, limits);
  }
}

/// `reads(version, kind)`: whether a frame of this version and kind may be read. Versions after
/// `newest` may have appended fields.
template <class Variant, class Reads>
result<frame<Variant>> decode_any(std::span<const char> bytes, frame_limits limits,
                                  std::uint32_t newest, Reads&& reads) {
  if (bytes.size() > limits.frame_bytes) {
    return fail(errc::bad_frame, "the frame is too large");
  }
  try {
    // array, map, str, bin, ext, depth: arrays of scalars, strings and arrays are all there is.
    const msgpack::unpack_limit limit{limits.elements, 0, limits.frame_bytes, 0, 0, limits.depth};
    std::size_t offset = 0;
    const auto handle = msgpack::unpack(
        bytes.data(), bytes.size(), offset,
        [](msgpack::type::object_type, std::size_t, void*) { return true; }, // no copy
        nullptr, limit);
    require(offset == bytes.size(), "bytes follow the message");
    const auto& top = handle.get();
    require(top.type == msgpack::type::ARRAY, "a frame is an array");
    require(top.via.array.size >= header_size, "the header is too short");
    const auto* head = top.via.array.ptr;
    const auto version = get_int<std::uint32_t>(head[0]);
    const auto kind = get_int<std::uint8_t>(head[1]);
    require(reads(version, kind), "another protocol version");
    limits.later_fields = version > newest;
    worker_ref worker{slot_id{get_int<std::uint32_t>(head[2])}, get_int<std::uint64_t>(head[3])};
    return frame<Variant>{worker, get_variant<Variant>(kind, top.via.array, limits)};
  } catch (const broken& b) {
    return fail(errc::bad_frame, b.rule);
  } catch (const msgpack::unpack_error&) {
    return fail(errc::bad_frame, "not msgpack within the limits");
  }
}

} // namespace tayfa::protocol::framing
