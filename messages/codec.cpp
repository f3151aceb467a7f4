#include "messages/codec.hpp"

#include <limits>
#include <msgpack.hpp>
#include <type_traits>

namespace tayfa::protocol {

std::string_view to_string(kind k) {
  switch (k) {
  case kind::hello: return "hello";
  case kind::heartbeat: return "heartbeat";
  case kind::load_finished: return "load_finished";
  case kind::started: return "started";
  case kind::progress: return "progress";
  case kind::partial: return "partial";
  case kind::finished: return "finished";
  case kind::log: return "log";
  case kind::stepped: return "stepped";
  case kind::welcome: return "welcome";
  case kind::load_model: return "load_model";
  case kind::assign: return "assign";
  case kind::cancel: return "cancel";
  case kind::shutdown: return "shutdown";
  case kind::use_threads: return "use_threads";
  }
  return "?";
}

namespace {

constexpr std::uint32_t header_size = 4; // version, kind, slot, incarnation
constexpr std::uint32_t elements_max = 32;

// ---- writing -----------------------------------------------------------------------------------

/// msgpack's own buffer would have to be copied into the frame.
struct text_buffer {
  std::string& out;
  void write(const char* bytes, std::size_t size) { out.append(bytes, size); }
};
using packer = msgpack::packer<text_buffer>;

void put_text(packer& out, std::string_view text) {
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
  } else {
    static_assert(std::is_arithmetic_v<T>);
    out.pack(value);
  }
}

/// Bytes that hold the usual frame, so that it is written without growing.
constexpr std::size_t usual_frame = 96;

template <class T>
std::size_t text_size(const T& value) {
  if constexpr (requires { value.size(); }) {
    return value.size();
  } else {
    return 0;
  }
}

template <class Variant>
std::string encode_any(const worker_ref& worker, const Variant& message, std::size_t room) {
  return std::visit(
      [&]<class Body>(const Body& body) {
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
      },
      message);
}

// ---- reading -----------------------------------------------------------------------------------

struct broken {
  std::string rule;
};

void require(bool holds, const char* rule) {
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

std::string_view get_text(const msgpack::object& o, std::size_t max) {
  require(o.type == msgpack::type::STR, "a string is expected");
  require(o.via.str.size <= max, "a string is too long");
  return {o.via.str.ptr, o.via.str.size};
}

template <class T>
void get(const msgpack::object& o, T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    value = std::string{get_text(o, text_bytes_max)};
  } else if constexpr (std::is_same_v<T, shared_text>) {
    value = shared_text{std::string{get_text(o, frame_bytes_max)}};
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
  } else if constexpr (std::is_same_v<T, outcome>) {
    const auto number = get_int<std::uint8_t>(o);
    require(number <= static_cast<std::uint8_t>(outcome::cancelled), "no such outcome");
    value = static_cast<outcome>(number);
  } else {
    value = get_int<T>(o);
  }
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

template <class Body>
Body get_body(const msgpack::object_array& array) {
  Body body;
  constexpr auto list = Body::fields();
  constexpr auto count = std::tuple_size_v<decltype(list)>;
  static_assert(fields_least<Body>() <= count && header_size + count <= elements_max);
  const std::size_t given = array.size - header_size;
  require(given >= fields_least<Body>() && given <= count, "wrong number of fields");
  const auto get_at = [&](std::size_t at, auto& value) {
    if (at < given) {
      get(array.ptr[header_size + at], value);
    }
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (get_at(I, body.*(std::get<I>(list).member)), ...);
  }(std::make_index_sequence<count>{});
  return body;
}

template <class Variant, std::size_t I = 0>
Variant get_variant(std::uint8_t id, const msgpack::object_array& array) {
  if constexpr (I == std::variant_size_v<Variant>) {
    throw broken{"no such message in this direction"};
  } else {
    using body = std::variant_alternative_t<I, Variant>;
    if (id == static_cast<std::uint8_t>(body::id)) {
      return get_body<body>(array);
    }
    return get_variant<Variant, I + 1>(id, array);
  }
}

template <class Variant>
result<frame<Variant>> decode_any(std::span<const char> bytes) {
  if (bytes.size() > frame_bytes_max) {
    return fail(errc::bad_frame, "the frame is too large");
  }
  try {
    // array, map, str, bin, ext, depth: only flat arrays of scalars, strings and attempts exist
    // here.
    const msgpack::unpack_limit limit{elements_max, 0, frame_bytes_max, 0, 0, 3};
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
    require(get_int<std::uint32_t>(head[0]) == version, "another protocol version");
    worker_ref worker{slot_id{get_int<std::uint32_t>(head[2])}, get_int<std::uint64_t>(head[3])};
    return frame<Variant>{worker,
                          get_variant<Variant>(get_int<std::uint8_t>(head[1]), top.via.array)};
  } catch (const broken& b) {
    return fail(errc::bad_frame, b.rule);
  } catch (const msgpack::unpack_error&) {
    return fail(errc::bad_frame, "not msgpack within the limits");
  }
}

} // namespace

std::string encode(const worker_ref& w, const upstream& m, std::size_t room) {
  return encode_any(w, m, room);
}
std::string encode(const worker_ref& w, const downstream& m, std::size_t room) {
  return encode_any(w, m, room);
}

result<frame<upstream>> decode_upstream(std::span<const char> bytes) {
  return decode_any<upstream>(bytes);
}
result<frame<downstream>> decode_downstream(std::span<const char> bytes) {
  return decode_any<downstream>(bytes);
}

} // namespace tayfa::protocol
