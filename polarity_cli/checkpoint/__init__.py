"""Checkpoint folders, and encoders' folders from anywhere: found, checked before anything in them is opened, and published.

Nothing here needs torch.
"""
