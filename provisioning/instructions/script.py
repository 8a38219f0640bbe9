"""All steps of an instruction as one script for a POSIX shell. Pure."""

from provisioning.instructions.target import Block, Instruction

END = "END_OF_FILE"


def script(instruction: Instruction) -> str:
    """The script; empty where a step is not for a shell, has to be filled in by hand, changes a
    file that may have other content, or cannot be repeated."""
    blocks = instruction.blocks
    if not all(_fits(block) for block in blocks) or blocks[-1].file:
        return ""
    return "\n\n".join(["#!/bin/sh\nset -eu", *map(_step, blocks)]) + "\n"


def _fits(block: Block) -> bool:
    is_shared = block.file.startswith("~/")
    return block.console == "sh" and not is_shared and not block.has_to_be_filled_in


def _step(block: Block) -> str:
    if block.file:
        body = f"cat > {block.file} << '{END}'\n{block.text.rstrip()}\n{END}"
    elif block.unless:
        body = f"{block.unless} || {block.text}"
    else:
        body = block.text
    return f"# {block.title}\n{body}"
