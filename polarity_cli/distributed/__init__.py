"""The processes of a run: what their launcher says of them, how they meet, and what they tell each other.

environment     what the launcher's variables say: which process this is, of how many
rendezvous      how the processes find each other, through Accelerate
world           the processes of a run, and what they tell each other
cache_group     those that share a cache, and the files that they write together
precision       in what they compute: what the launcher was told, else the fastest
launch          starts a command in several processes of this machine
worker_exit     how one process of several ends
"""
