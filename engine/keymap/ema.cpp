// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/keymap/ema.h"

#include <algorithm>
#include <array>
#include <set>

namespace velamen::keymap {

namespace {

constexpr std::string_view kAverage = "model_ema.";

std::string full_name(std::string_view name) { return std::string(kAverage) + std::string(name); }

/// The paths of modules inside a block of the UNet.
std::vector<std::string> inner_paths()
{
    std::vector<std::string> paths{
        "",      "op.",           "conv.",         "in_layers.0.",  "in_layers.2.",
        "norm.", "emb_layers.1.", "out_layers.0.", "out_layers.3.", "skip_connection.",
        "qkv.",  "proj_in.",      "proj_out."};
    for (int i = 0; i < 16; ++i)
        for (const char* path : {"attn1.to_q.", "attn1.to_k.", "attn1.to_v.", "attn1.to_out.0.",
                                 "attn2.to_q.", "attn2.to_k.", "attn2.to_v.", "attn2.to_out.0.",
                                 "ff.net.0.proj.", "ff.net.2.", "norm1.", "norm2.", "norm3."})
            paths.push_back("transformer_blocks." + std::to_string(i) + "." + path);
    return paths;
}

/// Every name that a UNet's weight can have: what an average alone is looked up in.
std::vector<std::string> possible_names()
{
    std::vector<std::string> names{"label_emb.weight"};
    for (const char* path : {"time_embed.0", "time_embed.2", "out.0", "out.2"})
        for (const char* kind : {".weight", ".bias"})
            names.push_back(std::string(path) + kind);
    std::vector<std::string> places;
    for (const char* place : {"0.", "1.", "2."}) {
        places.push_back(std::string("middle_block.") + place);
        for (int i = 0; i < 100; ++i)
            for (const char* way : {"input_blocks.", "output_blocks."})
                places.push_back(way + std::to_string(i) + "." + place);
    }
    const auto inner = inner_paths();
    for (const std::string& place : places)
        for (const std::string& path : inner)
            for (const char* kind : {"weight", "bias"})
                names.push_back(place + path + kind);
    return names;
}

Result<> add_averages(const std::vector<std::string>& live_names, const Part& average,
                      std::set<std::string, std::less<>>& used, Part& unet)
{
    for (const std::string& name : live_names) {
        const std::string squashed = average_name(name);
        const auto at = average.names().find(squashed);
        if (at == average.names().end()) continue;
        if (!used.insert(squashed).second)
            return fail(ErrorCode::Unsupported,
                        full_name(squashed) + " is the average of two tensors");
        unet.add(name, at->second);
    }
    return {};
}

Result<> check_all_used(const Part& average, const std::set<std::string, std::less<>>& used)
{
    std::vector<std::string> unknown;
    for (const auto& [name, source] : average.names())
        if (!used.contains(name)) unknown.push_back(full_name(name));
    if (unknown.empty()) return {};
    return fail(ErrorCode::Unsupported,
                "the file has averages of no weight of its UNet: "
                    + count_of(unknown, "not recognised"),
                "take the weights without the average");
}

Result<ChosenWeights> averages_alone(const Part& average, EmaChoice choice)
{
    if (choice == EmaChoice::Ignore)
        return fail(ErrorCode::NotFound,
                    "the file has only model_ema.* tensors of its UNet, which were to be ignored",
                    "let the EMA weights be used");
    ChosenWeights chosen{Part(average.entries()), {}, "EMA weights; the file has no others"};
    std::set<std::string, std::less<>> used;
    VELAMEN_TRY(add_averages(possible_names(), average, used, chosen.unet));
    VELAMEN_TRY(check_all_used(average, used));
    return chosen;
}

} // namespace

std::string average_name(std::string_view live)
{
    std::string name = "diffusion_model";
    std::ranges::copy_if(live, std::back_inserter(name), [](char c) { return c != '.'; });
    return name;
}

Result<ChosenWeights> choose_weights(const Part& live, const Part& average, EmaChoice choice)
{
    if (average.empty()) {
        if (choice == EmaChoice::Require)
            return fail(ErrorCode::NotFound, "there are no EMA weights in the file",
                        "take the weights without the average");
        return ChosenWeights{live, {}, "no EMA weights in file"};
    }
    if (live.empty()) return averages_alone(average, choice);
    if (choice == EmaChoice::Ignore) {
        ChosenWeights chosen{live, {}, "weights of the last step; the EMA weights are ignored"};
        for (const auto& [name, source] : average.names())
            chosen.ignored.push_back(average.entries()[source].name);
        return chosen;
    }
    std::vector<std::string> names;
    for (const auto& [name, source] : live.names())
        names.push_back(name);
    ChosenWeights chosen{Part(live.entries()), {}, "EMA weights"};
    std::set<std::string, std::less<>> used;
    VELAMEN_TRY(add_averages(names, average, used, chosen.unet));
    VELAMEN_TRY(check_all_used(average, used));
    for (const auto& [name, source] : live.names()) {
        const Entry& entry = live.entries()[source];
        const Entry* averaged = chosen.unet.find(name);
        if (averaged == nullptr)
            chosen.unet.add(name, source);
        else if (averaged->shape != entry.shape)
            return fail(ErrorCode::Corrupt,
                        averaged->name + " has the shape " + to_text(averaged->shape)
                            + ", the weight it is the average of " + to_text(entry.shape),
                        "take the weights without the average");
        else
            chosen.ignored.push_back(entry.name);
    }
    if (used.size() < live.size())
        chosen.note = "EMA weights of " + std::to_string(used.size()) + " of the UNet's "
            + std::to_string(live.size()) + " tensors; the others were frozen";
    return chosen;
}

} // namespace velamen::keymap
