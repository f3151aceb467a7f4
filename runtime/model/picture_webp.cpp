// WebP decoder, by libwebp where it is installed. The library is opened at the first WebP picture:
// without it everything else works, and the error names the missing library.
#include "runtime/model/picture_parts.hpp"

#include <cstring>
#include <dlfcn.h>
#include <memory>

namespace tayfa::picture_parts {

namespace {

/// libwebp's simple interface (webp/decode.h), unchanged since 2010.
struct webp {
  using get_info = int (*)(const std::uint8_t*, std::size_t, int*, int*);
  using decode_rgba = std::uint8_t* (*)(const std::uint8_t*, std::size_t, int*, int*);
  using free_memory = void (*)(void*);

  get_info info = nullptr;
  decode_rgba decode = nullptr;
  free_memory free = nullptr;

  static const webp* loaded() {
    static const webp* const library = load();
    return library;
  }

 private:
  static const webp* load() {
    void* const library = ::dlopen("libwebp.so.7", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      return nullptr;
    }
    static webp found;
    found.info = reinterpret_cast<get_info>(::dlsym(library, "WebPGetInfo"));
    found.decode = reinterpret_cast<decode_rgba>(::dlsym(library, "WebPDecodeRGBA"));
    found.free = reinterpret_cast<free_memory>(::dlsym(library, "WebPFree"));
    const bool whole = found.info != nullptr && found.decode != nullptr && found.free != nullptr;
    return whole ? &found : nullptr;
  }
};

int orientation_of(bytes_view bytes) {
  const auto little = [bytes](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
    }
    return value;
  };
  for (std::size_t at = 12; bytes.size() >= 8 && at <= bytes.size() - 8;) {
    const std::size_t length = little(at + 4);
    if (length > bytes.size() - at - 8) {
      return 1;
    }
    if (std::memcmp(bytes.data() + at, "EXIF", 4) == 0) {
      auto exif = bytes.subspan(at + 8, length);
      const bool marked = exif.size() >= 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0;
      return orientation_of_exif(marked ? exif.subspan(6) : exif);
    }
    at += 8 + length + length % 2;
  }
  return 1;
}

} // namespace

result<stored> decode_webp(bytes_view bytes, const size_check& check) {
  const auto* const library = webp::loaded();
  if (library == nullptr) {
    return broken("it is a WebP picture, which needs libwebp (Debian: libwebp7) beside the engine");
  }
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  int width = 0;
  int height = 0;
  if (library->info(data, bytes.size(), &width, &height) == 0 || width <= 0 || height <= 0) {
    return broken("the WebP is damaged or cut off");
  }
  const int orientation = orientation_of(bytes);
  const auto across = static_cast<std::uint32_t>(width);
  const auto down = static_cast<std::uint32_t>(height);
  if (auto sized = check_size(across, down, orientation, check); !sized) {
    return fail(std::move(sized.error()));
  }
  const std::unique_ptr<std::uint8_t, webp::free_memory> pixels{
      library->decode(data, bytes.size(), &width, &height), library->free};
  if (!pixels) {
    return broken("the WebP is damaged, cut off, or an animation");
  }
  const std::size_t count = std::size_t{across} * down * 4;
  return stored{{across, down, 4, {pixels.get(), pixels.get() + count}}, orientation};
}

} // namespace tayfa::picture_parts
