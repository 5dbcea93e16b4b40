// SPDX-License-Identifier: GPL-3.0-or-later
//
// A public or tuned latent diffusion checkpoint as a whole: a folder in diffusers' layout plus
// velamen.json. Loaded strictly: a missing, extra or misshapen tensor is an error that names it.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::nn {
class UNet2DConditionImpl;
class AutoencoderKLImpl;
class ClassEmbedderImpl;
} // namespace velamen::nn
namespace velamen::diffusion {
class Schedule;
}

namespace velamen::checkpoint {

/// velamen.json.
struct Card {
    std::string name;
    std::string licence;
    std::string data;                 ///< claimed training data
    std::string recipe;               ///< how it was made
    std::vector<std::string> classes; ///< row i of the class table; the null class is the last row
    std::vector<double> latent_mean;  ///< z_model = (z - mean) / std, per channel or per element
    std::vector<double> latent_std;
    std::vector<std::string>
        trained_tensors;     ///< tuned checkpoints: "unet/..." and "class_embedder/..."
    std::string base_sha256; ///< tuned checkpoints: fingerprint of the base
    std::string ledger_id;   ///< tuned checkpoints: the ledger that was charged, and its head
    std::int64_t ledger_seq = -1;
    std::string ledger_hash;
    io::Json extra = io::Json::object(); ///< fonts and whatever else was there; kept
};

struct ComponentInfo {
    std::string name; ///< "unet", "vae", "class_embedder"
    std::string kind; ///< diffusers' class name
    std::int64_t tensors = 0;
    std::int64_t parameters = 0;
    std::string dtype;
    std::int64_t bytes = 0;
};

struct SelectedBlock {
    std::string name; ///< "down_blocks.0.attentions.0"
    std::int64_t tensors = 0;
    std::int64_t parameters = 0;
    bool is_trained = false;
};

/// How much a selection trains.
struct SelectionCounts {
    std::int64_t total_parameters = 0;   ///< of the UNet and the conditioner
    std::int64_t trained_parameters = 0; ///< under "lora" those of the factors
    std::int64_t trained_tensors = 0;
    /// Selected, but with a gradient of zero by construction; left out with skip_dead.
    std::int64_t dead_parameters = 0;
};

/// What `inspect` and the Model page show.
struct Inspection : SelectionCounts {
    std::string family; ///< "class-conditional latent diffusion (UNet2DConditionModel)"
    std::vector<ComponentInfo> components;
    std::vector<SelectedBlock> blocks; ///< all blocks in graph order
    std::string sha256;
    Card card;
    std::vector<std::string> problems;
};

/// `selection` as in selection.h; errors as select_tensors(). Reads all weights once, for their
/// fingerprint.
Result<Inspection> inspect(const std::filesystem::path& folder, const std::string& selection,
                           bool skip_dead = true, bool train_conditioner = true);

/// The counts of inspect() alone, from the headers of the weights: at once at any size. `classes`:
/// so many classes and the null class have a row in the table; 0: those of the checkpoint.
Result<SelectionCounts> count_selection(const std::filesystem::path& folder,
                                        const std::string& selection, bool skip_dead = true,
                                        bool train_conditioner = true, std::int64_t classes = 0);

/// Names ("unet/<key>", "class_embedder/<key>") of the tensors that training `selection` changes:
/// under "lora" the weights that factors are folded into. InvalidArgument for a selection that
/// there is not, Refused when it matches nothing; both with the nearest that works.
Result<std::vector<std::string>> select_tensors(const std::vector<std::string>& all_names,
                                                const std::string& selection, bool skip_dead,
                                                bool train_conditioner = true);

/// A loaded checkpoint: fp32 modules in evaluation mode, nothing requires grad. One thread.
class Checkpoint {
public:
    static Result<std::unique_ptr<Checkpoint>> load(const std::filesystem::path& folder);
    ~Checkpoint();

    nn::UNet2DConditionImpl& unet();
    nn::AutoencoderKLImpl& autoencoder();
    nn::ClassEmbedderImpl& class_embedder();
    const diffusion::Schedule& schedule() const;
    const Card& card() const;
    const std::filesystem::path& folder() const;
    /// Names of the public classes, also after set_classes() has given the card others.
    const std::vector<std::string>& public_classes() const;

    /// Replaces the class table by one for `classes`: every new row is the mean of the public rows
    /// (plus a small public perturbation of their spread, seeded), the null row is kept. Replaces
    /// the module: take references to it and its tensors afterwards.
    Result<> set_classes(const std::vector<std::string>& classes, std::uint64_t seed);

    /// Makes rows of the class table from the public ones, in place; needs set_classes() before.
    /// weights: row-major, [classes, public classes], not negative, of any sum: a row becomes the
    /// weighted mean of the public rows; one without any weight stays as it is, as the null row
    /// does. InvalidArgument: other sizes, or weights that are no such numbers.
    Result<> mix_class_rows(std::span<const double> weights);

    /// Writes a tuned copy of this checkpoint's folder: the named tensors from the modules in the
    /// file's dtype, every other byte for byte as in the base. Aside, synced, renamed.
    Result<> save_tuned(const std::filesystem::path& out, const std::vector<std::string>& trained,
                        const Card& card) const;

private:
    struct State;
    explicit Checkpoint(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::checkpoint
