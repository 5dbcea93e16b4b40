// SPDX-License-Identifier: GPL-3.0-or-later
//
// A public or tuned latent diffusion checkpoint as a whole: a folder in diffusers' layout, with a
// velamen.json where Velamen made it, or a single file of CompVis's naming. Loaded strictly: a
// missing, extra or misshapen tensor is an error that names it.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/checkpoint/role.h"
#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::nn {
class UNetImpl;
class Autoencoder;
class AutoencoderTinyImpl;
class Conditioner;
} // namespace velamen::nn
namespace velamen::diffusion {
class Schedule;
}

namespace velamen::checkpoint {

class PromptTokenizer;

/// velamen.json.
struct Card {
    std::string name;
    std::string licence;
    std::string data;   ///< claimed training data
    std::string recipe; ///< how it was made
    /// Row i of the class table, or what stands for {class} in the caption; the null class is the
    /// last. Empty for text-conditional and unconditional public checkpoints.
    std::vector<std::string> classes;
    std::string caption; ///< text-conditional: template of a class's prompt, "a photo of {class}"
    std::int64_t image_size = 0;     ///< side of the images it was tuned on; 0: as the configs say
    std::vector<double> latent_mean; ///< z_model = (z - mean) / std, per channel or per element
    std::vector<double> latent_std;
    std::vector<std::string> trained_tensors; ///< tuned checkpoints: "unet/...",
                                              ///< "class_embedder/...", "text_encoder/..."
    std::string base_sha256;                  ///< tuned checkpoints: fingerprint of the base
    std::string ledger_id; ///< tuned checkpoints: the ledger that was charged, and its head
    std::int64_t ledger_seq = -1;
    std::string ledger_hash;
    io::Json extra = io::Json::object(); ///< fonts and whatever else was there; kept
};

/// What a file may leave open. Incomplete is the error of what is needed and not told.
struct OpenOptions {
    enum class Ema { Prefer, Require, Ignore } ema = Ema::Prefer; ///< of a single file
    std::vector<std::int64_t> heads;   ///< of the UNet, one number or one a level; empty: as known
    std::int64_t head_channels = 0;    ///< or the channels of a head; 0: as known
    std::vector<double> betas;         ///< first and last of the noise schedule; empty: as known
    std::string prediction;            ///< "eps", "v", "sample" or empty: as known
    std::int64_t text_heads = 0;       ///< of the text encoder; 0: as known
    std::filesystem::path autoencoder; ///< a checkpoint to take it from in place of its own
};

struct ComponentInfo {
    std::string name; ///< its folder: "unet", "vae", "text_encoder", ...
    std::string kind; ///< diffusers' or transformers' class name
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

/// Where clip_bpe_16e6.txt and bert_base_uncased_vocab.txt lie, for checkpoints that come without a
/// tokenizer. Once, before the first checkpoint is opened.
void set_vocabularies(const std::filesystem::path& folder);

/// What `inspect` and the Model page show.
struct Inspection : SelectionCounts {
    std::string family;             ///< "class-conditional latent diffusion (UNet2DConditionModel)"
    std::vector<std::string> notes; ///< what was chosen where there was a choice
    std::vector<ComponentInfo> components;
    std::vector<SelectedBlock> blocks; ///< all blocks in graph order
    std::string sha256; ///< fingerprint(); empty where reading all weights would take long
    Card card;
    std::vector<Error> problems; ///< why it cannot be used; Incomplete: not without OpenOptions
};

/// `selection` as in selection.h; errors as select_tensors(). Reads headers alone, and for their
/// fingerprint weights of at most 256 MiB: at once at any size.
Result<Inspection> inspect(const std::filesystem::path& checkpoint, const std::string& selection,
                           bool skip_dead = true, bool train_conditioner = true,
                           const OpenOptions& options = {});

/// SHA-256 over the SHA-256 of the components' weights and configurations: with other head counts
/// the same weights are another model. Reads all of them once.
Result<std::string> fingerprint(const std::filesystem::path& checkpoint);

/// The counts of inspect() alone. `classes`: so many classes and the null class have a row in the
/// table; 0: those of the checkpoint.
Result<SelectionCounts> count_selection(const std::filesystem::path& folder,
                                        const std::string& selection, bool skip_dead = true,
                                        bool train_conditioner = true, std::int64_t classes = 0);

/// Names ("unet/<key>", "class_embedder/<key>", "text_encoder/<key>") of the tensors that training
/// `selection` changes: under "lora" the weights that factors are folded into. InvalidArgument for
/// a selection that there is not, Refused when it matches nothing; both with the nearest that
/// works.
Result<std::vector<std::string>> select_tensors(const std::vector<std::string>& all_names,
                                                const std::string& selection, bool skip_dead,
                                                bool train_conditioner = true);

/// A loaded checkpoint: fp32 modules in evaluation mode, nothing requires grad. One thread.
class Checkpoint {
public:
    static Result<std::unique_ptr<Checkpoint>> load(const std::filesystem::path& checkpoint,
                                                    const OpenOptions& options = {});
    /// A second one of the same files. The tensors `changed` (named as by select_tensors()) are its
    /// own, as the files have them; those of the UNet beside them lie in this one's memory. Its
    /// autoencoder is set aside, and its text encoder unless tensors of it are among `changed`:
    /// this one has them. Errors as load().
    Result<std::unique_ptr<Checkpoint>> load_second(const std::vector<std::string>& changed);
    ~Checkpoint();

    nn::UNetImpl& unet();
    nn::Autoencoder& autoencoder();
    nn::Conditioner& conditioner();
    /// The one in the folder `vae_tiny`, in evaluation mode; null without one. Errors as load(),
    /// and Corrupt when its images or latents have other shapes than the autoencoder's.
    Result<std::shared_ptr<nn::AutoencoderTinyImpl>> load_tiny_autoencoder() const;
    /// Its folder's name, with which its tensors' names begin; empty without a conditioner.
    std::string conditioner_name() const;
    bool has_class_table() const;
    bool is_text_conditional() const;
    /// Side of an image and of its latent: as the card says, else the UNet's config, else the
    /// autoencoder's.
    std::int64_t image_size() const;
    std::int64_t latent_size() const;
    /// Null unless it is text-conditional.
    const PromptTokenizer* tokenizer() const;
    const diffusion::Schedule& schedule() const;
    const Card& card() const;
    const std::filesystem::path& folder() const;
    /// Names of the public classes, also after set_classes() has given the card others.
    const std::vector<std::string>& public_classes() const;

    /// Takes the weights of the autoencoder, or of a text encoder, out of memory for as long as
    /// nobody looks at them: prompts that are encoded stay so, and anything else that uses them
    /// before bring_back() throws LibTorch's exception. Of other components, and of one that is
    /// trained or was changed, nothing is taken.
    void set_aside(Role role);
    /// Reads again what set_aside() took. Errors as load().
    Result<> bring_back(Role role);

    /// Of images from now on. InvalidArgument when it is no multiple of the autoencoder's factor.
    Result<> set_image_size(std::int64_t pixels);
    /// The template of class prompts from the next set_classes() on. InvalidArgument without
    /// {class}.
    Result<> set_caption(const std::string& caption);

    /// From now on the classes are these. A class table is replaced by one in which every new row
    /// is the mean of the public rows (plus a small public perturbation of their spread, seeded),
    /// the null row is kept; it is another module: take references to it and its tensors
    /// afterwards. With a text encoder a class is the card's caption about it, the null class the
    /// empty prompt. An unconditional checkpoint takes one class only (Refused).
    Result<> set_classes(const std::vector<std::string>& classes, std::uint64_t seed);

    /// Makes rows of a class table from the public ones, in place; needs set_classes() before.
    /// weights: row-major, [classes, public classes], not negative, of any sum: a row becomes the
    /// weighted mean of the public rows; one without any weight stays as it is, as the null row
    /// does. InvalidArgument: other sizes, or weights that are no such numbers.
    Result<> mix_class_rows(std::span<const double> weights);

    /// Writes a tuned copy of this checkpoint's folder: the named tensors from the modules in the
    /// file's dtype, every other byte for byte as in the base. Components with a tuned tensor are
    /// written as one safetensors file, and no other variant of their weights is copied. Aside,
    /// synced, renamed.
    Result<> save_tuned(const std::filesystem::path& out, const std::vector<std::string>& trained,
                        const Card& card) const;

private:
    struct State;
    explicit Checkpoint(std::unique_ptr<State> state);
    static Result<std::unique_ptr<State>>
    load_wanted(const std::filesystem::path& folder, const OpenOptions& options,
                const std::function<bool(const std::string&)>& wanted);
    std::unique_ptr<State> state_;
};

} // namespace velamen::checkpoint
