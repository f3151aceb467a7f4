// The shape of a job: what its cost can be learned by, as one short text.
//
// Jobs of one model and one shape are taken to run about equally long, and may run together as one
// batch. Assumptions, all of them about what image, video and text models are given:
//   * what decides the time is in a few numbers at the top of `input`; prompts, seeds and pictures
//     do not decide it, so that jobs that differ only in those share a shape;
//   * sizes, steps and counts come from short menus (512, 768, 1024; 20, 30, 50): they are kept as
//     they are. Limits of text models come from no menu: they are kept to the next power of two;
//   * the bytes of the input matter only when they are many (a picture to work on): below 4 KiB
//     they say nothing, above they are kept to the next power of two.
// A number that is missing is missing from the shape: the model's own default is a shape as well.
//
// Pure; throws only when memory is lacking; cost: one look at each byte of the input.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tayfa::api {

/// No shape is longer.
inline constexpr std::size_t shape_length_max = 256;

/// "width=512,height=768,steps=20,bytes=4K". Precondition: `input` is one JSON value; what is no
/// object, or has more members than we read, has only its bytes.
std::string shape_of(std::string_view input);

} // namespace tayfa::api
